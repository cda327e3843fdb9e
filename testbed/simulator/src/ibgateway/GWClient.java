package ibgateway;

import java.nio.file.Path;
import simulator.Gateway;

/** The entry point IBC calls; it returns as soon as the user interface is scheduled, as IBC requires. */
public final class GWClient {
    private GWClient() {}

    /** @param args the settings folder (IBC passes it); without it, the property jtsConfigDir. */
    public static void main(String[] args) {
        String folder = args.length > 0 ? args[0] : System.getProperty("jtsConfigDir", ".");
        Gateway.launch(Path.of(folder).toAbsolutePath().normalize(), System.getProperty("restart", ""));
    }
}
