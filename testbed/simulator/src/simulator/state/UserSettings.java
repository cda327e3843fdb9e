package simulator.state;

import java.nio.file.Path;
import java.util.Properties;

/**
 * What the configuration dialog shows, kept per user in his own folder inside the settings folder.
 *
 * <p>The real program keeps it there too, in a file of its own format. The folder's name has 40 letters: IBC looks for
 * the autorestart file in folders of at least 32.
 */
public final class UserSettings {
    private final String folderName;
    private final Path file;
    private final Properties values;

    public UserSettings(Path settings, String folderName, String mode) {
        this.folderName = folderName;
        this.file = settings.resolve(folderName).resolve("ibg.properties");
        this.values = Store.read(file);
        values.putIfAbsent("api.port", "live".equals(mode) ? "4001" : "4002");
        values.putIfAbsent("api.master_client_id", "");
        values.putIfAbsent("api.read_only", "true");
        values.putIfAbsent("api.localhost_only", "false");
        values.putIfAbsent("exit.action", "logoff");
        values.putIfAbsent("exit.time", "11:45 PM");
    }

    /** The folder name of a user: letters only, derived from the name, the same at every login. */
    public static String folderOf(String user) {
        String digest = LoginLog.sha256("folder of " + user);
        StringBuilder name = new StringBuilder();
        for (char c : digest.substring(0, 40).toCharArray()) {
            name.append((char) ('a' + Character.digit(c, 16)));
        }
        return name.toString();
    }

    public String folderName() {
        return folderName;
    }

    public Path tokenFile() {
        return file.resolveSibling("autorestart");
    }

    public String get(String key) {
        return values.getProperty(key, "");
    }

    public boolean is(String key) {
        return Boolean.parseBoolean(get(key));
    }

    public int port() {
        return Integer.parseInt(get("api.port"));
    }

    public void set(String key, Object value) {
        values.setProperty(key, String.valueOf(value));
    }

    public void save() {
        Store.write(file, values);
    }
}
