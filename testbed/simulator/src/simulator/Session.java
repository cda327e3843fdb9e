package simulator;

import simulator.api.Codes;
import simulator.ui.Dialogs;
import simulator.ui.Dialogs.Choice;
import simulator.ui.Splash;

/** What happens to a session while it is logged in: the link, the codes, another login of the same user. */
final class Session {
    private final Gateway gateway;
    private Splash reconnecting;

    Session(Gateway gateway) {
        this.gateway = gateway;
    }

    void code(int code, String text) {
        gateway.api.broadcast(code, text.isEmpty() ? Codes.text(code) : text);
    }

    /** @param what lost, restored (1102) or data-lost (1101). */
    void link(String what) {
        boolean lost = what.equals("lost");
        gateway.api.linkDown(lost);
        if (lost) {
            code(1100, "");
            code(2110, "");
            if (reconnecting == null) {
                reconnecting = new Splash("Connecting to server...");
            }
            return;
        }
        code(what.equals("data-lost") ? 1101 : 1102, "");
        if (reconnecting != null) {
            // The last title IBC sees here at the real one's nightly reconnect, too.
            reconnecting.title("Starting application...");
            reconnecting.dispose();
            reconnecting = null;
        }
    }

    /**
     * Another program logs in with this user.
     *
     * @param asDialog show "Existing session detected" at once, instead of after "Re-login is required"
     */
    void taken(boolean asDialog) {
        gateway.api.competing(true);
        gateway.api.linkDown(true);
        code(1100, "");
        if (asDialog) {
            gateway.login().existingSession("Reconnect This Session", this::reclaim);
            return;
        }
        gateway.waitFor("relogin", Dialogs.question("Re-login is required",
                "Your session was ended by another login. Log in again?",
                new Choice("Re-login", () -> {
                    gateway.server.count("relogins");
                    gateway.login().existingSession("Continue Login", this::reclaim);
                }),
                new Choice("Exit", () -> gateway.exit(0))));
    }

    private void reclaim() {
        gateway.login().complete(() -> {
            gateway.api.competing(false);
            gateway.state("ready");
            link("restored");
        });
    }
}
