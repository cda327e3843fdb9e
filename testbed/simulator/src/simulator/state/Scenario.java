package simulator.state;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;

/**
 * What the simulated IBKR does next, from scenario.properties; read afresh at every use.
 *
 * <p>A key of {@link #SEQUENCES} holds a comma-separated list: one entry per occasion, the last one for ever after.
 * How far a list has been used is IBKR-side state; changing the list or the key "revision" begins it anew.
 */
public final class Scenario {
    public static final Map<String, List<String>> SEQUENCES = Map.of(
            "startup", List.of("ok", "no_window", "odd_window", "crash"),
            "login", List.of("ok", "wrong_password", "login_failed", "login_error", "too_many_attempts", "maintenance",
                    "connection_failed", "existing_session", "handoff", "unknown_dialog", "password_notice", "silent"),
            "second_factor", List.of("push", "device_list", "code", "none"),
            "push", List.of("approve", "deny", "ignore", "wait"),
            "restart", List.of("ok", "expired", "wrong_password", "connection_failed", "silent"),
            "settings", List.of("ok", "no_window"));

    private static final Map<String, String> DEFAULTS = Map.ofEntries(
            Map.entry("startup", "ok"),
            Map.entry("login", "ok"),
            Map.entry("push", "approve"),
            Map.entry("restart", "ok"),
            Map.entry("settings", "ok"),
            Map.entry("startup.delay", "0.3"),
            Map.entry("login.delay", "0.5"),
            Map.entry("push.delay", "1"),
            Map.entry("push.timeout", "180"),
            Map.entry("loading.delay", "1"),
            Map.entry("shutdown.delay", "0.5"),
            Map.entry("login.text", "Login server does not accept this session."),
            Map.entry("login.wait", "20"),
            Map.entry("unknown.title", "Notice to customers"),
            Map.entry("unknown.text", "Please read and acknowledge the updated terms."),
            Map.entry("devices", "IB Key,Mobile Authenticator app"),
            Map.entry("code", ""),
            Map.entry("code.title", "Second Factor Authentication"),
            Map.entry("password.days", "5"),
            Map.entry("peer", "ndc1.ibllc.com:4000"),
            Map.entry("position", "0"),
            Map.entry("orders", "0"));

    /** As the installer named this program: "KEY@VERSION" is for this version alone, and comes before "KEY". */
    private static final String VERSION = Scenario.class.getPackage().getImplementationVersion();

    private final Path file;
    private final ServerState server;

    public Scenario(Path folder, ServerState server) {
        this.file = folder.resolve("scenario.properties");
        this.server = server;
    }

    public String text(String key) {
        Properties values = Store.read(file);
        return values.getProperty(key + "@" + VERSION, values.getProperty(key, DEFAULTS.get(key))).strip();
    }

    public List<String> list(String key) {
        return split(text(key));
    }

    /** A time in seconds, fractions allowed; an unreadable number is reported and replaced by the default. */
    public Duration seconds(String key) {
        return Duration.ofMillis(Math.round(1000 * number(key)));
    }

    public double number(String key) {
        try {
            return Double.parseDouble(text(key));
        } catch (NumberFormatException error) {
            Log.line("scenario.properties: %s is not a number, the default %s is used", key, DEFAULTS.get(key));
            return Double.parseDouble(DEFAULTS.get(key));
        }
    }

    /** The next entry of a sequence. An unknown entry is reported and replaced by the default. */
    public String next(String key, String fallback) {
        Properties values = Store.read(file);
        String general = values.getProperty(key, DEFAULTS.getOrDefault(key, fallback));
        String text = values.getProperty(key + "@" + VERSION, general).strip();
        List<String> entries = split(text);
        if (entries.isEmpty()) {
            return fallback;
        }
        int used = server.advance(key, text + "#" + values.getProperty("revision", ""));
        String entry = entries.get(Math.min(used, entries.size() - 1));
        if (!SEQUENCES.get(key).contains(entry)) {
            Log.line("scenario.properties: %s=%s is none of %s, %s is used", key, entry, SEQUENCES.get(key), fallback);
            return fallback;
        }
        return entry;
    }

    private static List<String> split(String text) {
        return Stream.of(text.split(",")).map(String::strip).filter(s -> !s.isEmpty()).toList();
    }
}
