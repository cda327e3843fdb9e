package simulator;

import java.util.Arrays;
import java.util.function.Consumer;
import javax.swing.JDialog;
import simulator.state.Log;
import simulator.state.LoginLog;
import simulator.state.Store;
import simulator.ui.Dialogs;
import simulator.ui.Dialogs.Choice;
import simulator.ui.LoginWindow;
import simulator.ui.Splash;

/** From the login window, or from a token, to "Login has completed"; and every way that can fail. */
final class LoginFlow {
    private final Gateway gateway;
    private final SecondFactor factor;
    private LoginWindow window;
    private Splash splash;
    private String outcome = "ok";
    private boolean odd;

    LoginFlow(Gateway gateway) {
        this.gateway = gateway;
        this.factor = new SecondFactor(gateway);
    }

    SecondFactor factor() {
        return factor;
    }

    /** The login window of this run lacks something that IBC needs. */
    void odd(boolean yes) {
        odd = yes;
    }

    void open() {
        if (window == null) {
            window = new LoginWindow(this::submit, gateway::close, odd);
            window.show();
        }
        window.accepting(true);
        gateway.state("login");
    }

    private void submit(String mode, String user, char[] password) {
        if (user.isBlank() || password.length == 0) {
            return;
        }
        outcome = gateway.scenario.next("login", "ok");
        LoginLog.append(gateway.folder, mode, user, password, outcome);
        Arrays.fill(password, '\0');
        gateway.server.count("logins");
        gateway.identify(mode, user);
        window.accepting(false);
        gateway.state("authenticating");
        splash = new Splash("Connecting to server...");
        Ui.after(gateway.scenario.seconds("login.delay"), this::answered);
    }

    private void answered() {
        splash.title("Authenticating...");
        switch (outcome) {
            case "wrong_password" -> wrongPassword();
            case "login_failed" -> refuse(Dialogs.message("Login failed",
                    "The login was not accepted.", "OK", this::open));
            case "login_error" -> refuse(loginError(gateway.scenario.text("login.text")));
            case "too_many_attempts" -> refuse(Dialogs.message("Attention", "Too many failed login attempts. Please wait "
                    + gateway.scenario.text("login.wait") + " seconds before attempting to re-login again.", "OK",
                    this::open));
            case "maintenance" -> refuse(Dialogs.question("Login",
                    "The system is not currently available. Please try again later.", new Choice("OK", this::open)));
            case "connection_failed" -> connectionFailed();
            case "silent" -> Log.line("The simulated server does not answer");
            case "existing_session" -> accepted(() -> existingSession("Continue Login", this::secondFactor));
            case "unknown_dialog" -> accepted(() -> gateway.waitFor("unknown_dialog", Dialogs.message(
                    gateway.scenario.text("unknown.title"), gateway.scenario.text("unknown.text"), "OK",
                    this::secondFactor)));
            case "password_notice" -> accepted(() -> {
                Dialogs.passwordNotice(gateway.scenario.text("password.days"));
                secondFactor();
            });
            default -> accepted(this::secondFactor);
        }
    }

    /** Credentials were good enough for the main window to appear. */
    private void accepted(Runnable then) {
        gateway.showMain();
        then.run();
    }

    private void refuse(JDialog dialog) {
        splash.dispose();
        gateway.waitFor(outcome, dialog);
    }

    private JDialog loginError(String text) {
        return Dialogs.message("Login Error", text, "OK", this::open);
    }

    private void wrongPassword() {
        outcome = "wrong_password";
        refuse(Dialogs.message("Unrecognized Username or Password",
                "Unrecognized username or password. Passwords are case sensitive: check Caps Lock.", "OK", this::open));
    }

    private void connectionFailed() {
        outcome = "connection_failed";
        refuse(Dialogs.question("IBKR Gateway", "Connection to server failed: the simulated server is unreachable.",
                new Choice("OK", this::open)));
    }

    /** Also shown while logged in, then with another first button. */
    void existingSession(String takeOver, Runnable then) {
        gateway.waitFor("existing_session", Dialogs.question("Existing session detected",
                "You are logged in from another computer. Only one session can be active.",
                new Choice(takeOver, then), new Choice("Exit Application", () -> gateway.exit(0))));
    }

    private void secondFactor() {
        gateway.state("authenticating");
        Consumer<Boolean> answer = passed -> {
            if (!passed) {
                splash.dispose();
                open();
            } else if (outcome.equals("handoff")) {
                gateway.waitFor("handoff", Dialogs.question("Trading Login Handoff",
                        "Another trading session is active.",
                        new Choice("Disconnect Other Session", this::fullLoginDone),
                        new Choice("Cancel", () -> gateway.exit(0))));
            } else {
                fullLoginDone();
            }
        };
        factor.ask(answer);
    }

    private void fullLoginDone() {
        gateway.server.issueToken(gateway.user());
        complete(gateway::loggedIn);
    }

    /** Shows the last steps of the splash; IBC reads "Login has completed" from its end. */
    void complete(Runnable then) {
        gateway.state("loading");
        if (splash == null) {
            splash = new Splash("Connecting to server...");
        }
        splash.finish(gateway.scenario.seconds("loading.delay"), () -> {
            splash = null;
            if (window != null) {
                window.dispose();
                window = null;
            }
            then.run();
        });
    }

    /** A start with the token of the daily restart: no login window, no second factor. */
    void resume(String folderName) {
        gateway.identifyByFolder(folderName);
        String token = Store.firstLine(gateway.userSettings().tokenFile());
        Store.delete(gateway.userSettings().tokenFile());
        gateway.server.count("token_restarts");
        String asked = gateway.scenario.next("restart", "ok");
        outcome = asked.equals("ok") && !gateway.server.accepts(token) ? "expired" : asked;
        gateway.showMain();
        gateway.state("authenticating");
        splash = new Splash("Connecting to server...");
        Ui.after(gateway.scenario.seconds("login.delay"), this::resumed);
    }

    private void resumed() {
        splash.title("Authenticating...");
        switch (outcome) {
            case "ok" -> complete(gateway::loggedIn);
            case "expired" -> {
                outcome = "login_error";
                refuse(loginError("Soft token=0 received instead of expected permanent"));
            }
            case "wrong_password" -> wrongPassword();
            case "connection_failed" -> connectionFailed();
            default -> Log.line("The simulated server does not answer");
        }
    }
}
