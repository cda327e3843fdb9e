package simulator;

import java.awt.Window;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.swing.SwingUtilities;
import simulator.api.Account;
import simulator.api.ApiServer;
import simulator.state.JtsIni;
import simulator.state.Log;
import simulator.state.Scenario;
import simulator.state.ServerState;
import simulator.state.Store;
import simulator.state.UserSettings;
import simulator.ui.ConfigDialog;
import simulator.ui.Dialogs;
import simulator.ui.MainWindow;

/** The program as a whole: what it is doing, its main window, and its ways to end. */
public final class Gateway implements MainWindow.Actions {
    final Path folder;
    final ServerState server;
    final Scenario scenario;
    final ApiServer api = new ApiServer();
    private final Path settingsFolder;
    private final LoginFlow login = new LoginFlow(this);
    private final Session session = new Session(this);
    private final AutoExit autoExit = new AutoExit(this);
    private final MainWindow main = new MainWindow(this);
    private volatile String state = "starting";
    private volatile String user = "";
    private volatile String mode = "";
    private volatile UserSettings settings;
    private volatile Window blocking;

    private Gateway(Path settingsFolder) {
        this.settingsFolder = settingsFolder;
        this.folder = settingsFolder.resolve("simulator");
        this.server = new ServerState(folder);
        this.scenario = new Scenario(folder, server);
    }

    /** Schedules everything and returns. */
    public static void launch(Path settingsFolder, String restart) {
        Log.to(settingsFolder.resolve("launcher.log"));
        Log.line("Simulated IB Gateway %s, settings in %s", version(), settingsFolder);
        SwingUtilities.invokeLater(() -> new Gateway(settingsFolder).begin(restart));
    }

    /** The version the installer gave this program, from its jar's manifest. */
    static String version() {
        String version = Gateway.class.getPackage().getImplementationVersion();
        return version == null ? "unpacked" : version;
    }

    private void begin(String restart) {
        ControlServer.start(folder, new Commands(this));
        String startup = scenario.next("startup", "ok");
        if (startup.equals("crash")) {
            throw new IllegalStateException("Simulated failure at startup");
        }
        if (startup.equals("no_window")) {
            return;
        }
        Path token = settingsFolder.resolve(restart).resolve("autorestart");
        boolean resuming = !restart.isEmpty() && Files.exists(token);
        login.odd(startup.equals("odd_window"));
        Ui.after(scenario.seconds("startup.delay"), resuming ? () -> login.resume(restart) : login::open);
    }

    // ---- who is logged in

    void identify(String newMode, String newUser) {
        use(new UserSettings(settingsFolder, UserSettings.folderOf(newUser), newMode), newMode, newUser);
    }

    /** Who the folder of a token belongs to is written in its settings. */
    void identifyByFolder(String name) {
        UserSettings kept = new UserSettings(settingsFolder, name, "live");
        use(kept, kept.get("mode"), kept.get("user"));
    }

    private void use(UserSettings newSettings, String newMode, String newUser) {
        newSettings.set("mode", newMode);
        newSettings.set("user", newUser);
        settings = newSettings;
        mode = newMode;
        user = newUser;
        api.account(new Account(newMode, scenario::text));
    }

    String mode() {
        return mode;
    }

    String user() {
        return user;
    }

    UserSettings userSettings() {
        return settings;
    }

    Session session() {
        return session;
    }

    LoginFlow login() {
        return login;
    }

    // ---- what is going on

    void state(String now) {
        Log.line("State: %s", now);
        state = now;
    }

    String state() {
        return state;
    }

    /** A dialog the flow waits for; the control command "dismiss" can close it. */
    void waitFor(String newState, Window dialog) {
        state(newState);
        blocking = dialog;
    }

    boolean dismiss() {
        Window dialog = blocking;
        blocking = null;
        boolean open = dialog != null && dialog.isVisible();
        if (open) {
            Dialogs.press(dialog);
        }
        return open;
    }

    void showMain() {
        main.show();
    }

    /** The login has completed: keep what is to be kept, open the API, follow the clock. */
    void loggedIn() {
        settings.save();
        JtsIni ini = new JtsIni(settingsFolder);
        ini.set("Logon", "tradingMode", mode.equals("live") ? "l" : "p");
        ini.set("Communication", "Peer", scenario.text("peer"));
        if (mode.equals("live")) {
            ready();
            return;
        }
        waitFor("paper_warning", Dialogs.question("Warning",
                "This is not a brokerage account. This is a paper trading account for simulated trading.",
                new Dialogs.Choice("I understand and accept", this::ready)));
    }

    private void ready() {
        state("ready");
        main.ready(true, "Interactive Brokers API Server: connected");
        openApi();
        autoExit.start();
    }

    private void openApi() {
        api.readOnly(settings.is("api.read_only"));
        api.open(settings.port(), settings.is("api.localhost_only"));
    }

    // ---- the main window's menus and keys

    @Override
    public void settings() {
        if (scenario.next("settings", "ok").equals("no_window")) {
            return;
        }
        ConfigDialog.open(user, settings, this::configured);
    }

    /** A changed port moves the API at once; clients of the old port are dropped, as code 1300 would tell them. */
    private void configured() {
        boolean moved = api.port() != settings.port() || api.localOnly() != settings.is("api.localhost_only");
        api.readOnly(settings.is("api.read_only"));
        if (moved) {
            openApi();
        }
        autoExit.start();
    }

    @Override
    public void close() {
        if (!state.equals("ready")) {
            exit(0);
            return;
        }
        Dialogs.question("Exit", "Are you sure you want to exit?",
                new Dialogs.Choice("Yes", this::logout), new Dialogs.Choice("No", () -> { }));
    }

    @Override
    public void reconnectAccount() {
        confirm("simulate disconnect", () -> {
            session.link("lost");
            Ui.after(scenario.seconds("login.delay"), () -> session.link("restored"));
        });
    }

    @Override
    public void reconnectData() {
        confirm("simulate data farm disconnect", () -> {
            session.code(2103, "");
            Ui.after(scenario.seconds("login.delay"), () -> session.code(2104, ""));
        });
    }

    private static void confirm(String what, Runnable then) {
        Dialogs.question("IBKR Gateway", "Are you sure you want to execute \"" + what + "\"?",
                new Dialogs.Choice("OK", then), new Dialogs.Choice("Cancel", () -> { }));
    }

    // ---- ways to end

    void logout() {
        server.count("logouts");
        exit(0);
    }

    /** The daily restart: leave a token for the next start, then end. */
    void tokenRestart() {
        Store.replace(settings.tokenFile(), server.token() + "\n");
        exit(0);
    }

    void exit(int code) {
        state("shutting_down");
        if (api.port() != 0) {
            // Before a login has completed, IBC takes this dialog badly: its tasks still wait for the settings dialog.
            Dialogs.shutdownProgress();
        }
        api.close();
        Ui.after(scenario.seconds("shutdown.delay"), () -> endWith(code));
    }

    /** Not in the user interface's thread, which exit hooks may wait for. */
    static void endWith(int code) {
        new Thread(() -> System.exit(code), "exit").start();
    }

    Map<String, Object> describe() {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("state", state);
        result.put("mode", mode);
        result.put("user", user);
        result.put("version", version());
        result.put("pid", ProcessHandle.current().pid());
        result.put("settings", settingsFolder.toString());
        result.put("api_port", api.port());
        result.put("api_clients", api.clientIds());
        result.put("link", api.linkDown() ? "lost" : "up");
        result.put("wedged", api.wedged());
        UserSettings now = settings;
        result.put("read_only", now == null ? null : now.is("api.read_only"));
        result.put("exit_action", now == null ? null : now.get("exit.action"));
        result.put("exit_time", now == null ? null : now.get("exit.time"));
        result.put("windows", windows());
        result.put("counters", server.counters());
        return result;
    }

    private static List<String> windows() {
        return Stream.of(Window.getWindows()).filter(Window::isVisible).map(Dialogs::title).sorted().toList();
    }
}
