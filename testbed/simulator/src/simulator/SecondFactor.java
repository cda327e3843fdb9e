package simulator;

import java.time.Duration;
import java.util.function.Consumer;
import javax.swing.JDialog;
import javax.swing.Timer;
import simulator.ui.Dialogs;

/** IB Key and its alternatives: a push, a list of devices before the push, or a code to type. */
final class SecondFactor {
    private static final Duration LIST_TO_PUSH = Duration.ofMillis(300);

    private final Gateway gateway;
    private Consumer<Boolean> answer;
    private JDialog dialog;
    private Timer phone;
    private Timer limit;

    SecondFactor(Gateway gateway) {
        this.gateway = gateway;
    }

    /** @param then called once with whether the second factor was given. */
    void ask(Consumer<Boolean> then) {
        answer = then;
        switch (gateway.scenario.next("second_factor", gateway.mode().equals("live") ? "push" : "none")) {
            case "device_list" -> {
                dialog = Dialogs.devices(gateway.scenario.list("devices"), device -> Ui.after(LIST_TO_PUSH, this::push));
                gateway.state("device_list");
            }
            case "code" -> code();
            case "none" -> then.accept(true);
            default -> push();
        }
    }

    private void push() {
        gateway.server.count("pushes.sent");
        dialog = Dialogs.push(gateway.user());
        gateway.state("two_factor");
        String behaviour = gateway.scenario.next("push", "approve");
        Duration delay = gateway.scenario.seconds("push.delay");
        switch (behaviour) {
            case "approve" -> phone = Ui.after(delay, () -> finish("approved"));
            case "deny" -> phone = Ui.after(delay, () -> finish("denied"));
            default -> { }
        }
        if (!behaviour.equals("wait")) {
            limit = Ui.after(gateway.scenario.seconds("push.timeout"), () -> finish("missed"));
        }
    }

    /** The phone's answer, or none in time. False when no push is pending. */
    boolean finish(String how) {
        if (!gateway.state().equals("two_factor")) {
            return false;
        }
        stop(phone);
        stop(limit);
        dialog.dispose();
        gateway.server.count("pushes." + how);
        gateway.state("authenticating");
        answer.accept(how.equals("approved"));
        return true;
    }

    private static void stop(Timer timer) {
        if (timer != null) {
            timer.stop();
        }
    }

    private void code() {
        dialog = Dialogs.code(gateway.scenario.text("code.title"), this::entered, () -> {
            gateway.state("authenticating");
            answer.accept(true);
        });
        gateway.state("code");
    }

    /** What a person at the screen does. False when no code is asked for. */
    boolean type(String code) {
        if (!gateway.state().equals("code")) {
            return false;
        }
        dialog.dispose();
        entered(code);
        return true;
    }

    private void entered(String code) {
        String wanted = gateway.scenario.text("code");
        if (wanted.isEmpty() || wanted.equals(code)) {
            gateway.server.count("codes.accepted");
            gateway.state("authenticating");
            answer.accept(true);
        } else {
            gateway.server.count("codes.rejected");
            code();
        }
    }

    /** False when no list is open. */
    boolean choose(String device) {
        if (!gateway.state().equals("device_list") || !gateway.scenario.list("devices").contains(device)) {
            return false;
        }
        dialog.dispose();
        Ui.after(LIST_TO_PUSH, this::push);
        return true;
    }
}
