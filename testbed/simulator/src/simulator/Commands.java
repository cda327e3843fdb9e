package simulator;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import javax.swing.SwingUtilities;
import simulator.state.Json;
import simulator.state.Log;

/** The commands of the control port. Each answers {"ok": true, …} or {"ok": false, "error": "…"}. */
final class Commands {
    /** @param afterwards what ends the process, to be run when the answer has gone out. */
    record Reply(String text, Runnable afterwards) {}

    private static final Runnable NOTHING = () -> { };
    private static final Set<String> ONLY_WHEN_READY = Set.of("take-session", "restart-now", "logoff-now");
    private static final int UI_PATIENCE_SECONDS = 5;

    private final Gateway gateway;
    private volatile boolean hung;

    Commands(Gateway gateway) {
        this.gateway = gateway;
    }

    Reply run(String line) {
        String[] words = line.split("\\s+", 2);
        String rest = words.length > 1 ? words[1] : "";
        if (!line.equals("state")) {
            Log.line("Control: %s", line);
        }
        String error = "";
        Runnable afterwards = NOTHING;
        try {
            afterwards = ending(words[0], rest);
            if (afterwards == NOTHING) {
                error = perform(words[0], rest);
            } else if (ONLY_WHEN_READY.contains(words[0])) {
                error = inUi(this::unlessReady);
            }
            if (!error.isEmpty()) {
                afterwards = NOTHING;
            }
        } catch (NumberFormatException wrong) {
            error = "this command wants a number, not \"" + rest + "\"";
        }
        Map<String, Object> reply = new LinkedHashMap<>();
        reply.put("ok", error.isEmpty());
        if (!error.isEmpty()) {
            reply.put("error", error);
        }
        reply.putAll(gateway.describe());
        if (hung) {
            reply.put("state", "hung");
        }
        return new Reply(Json.of(reply), afterwards);
    }

    /**
     * What may end the process, so that it comes after the answer: the launcher kills Java within milliseconds. An
     * exception is what IBC sees of a fault in Gateway; halt ends the process as a kill or a JVM fault does.
     */
    private Runnable ending(String command, String rest) {
        return switch (command.equals("crash") ? command + " " + rest : command) {
            case "crash halt" -> () -> Runtime.getRuntime().halt(1);
            case "crash exception" -> () -> SwingUtilities.invokeLater(() -> {
                throw new IllegalStateException("Simulated failure");
            });
            case "exit" -> exit(Integer.parseInt(rest));
            case "take-session" -> later(() -> gateway.session().taken(rest.equals("dialog")));
            case "restart-now" -> later(gateway::tokenRestart);
            case "logoff-now" -> later(gateway::logout);
            default -> NOTHING;
        };
    }

    private static Runnable later(Runnable action) {
        return () -> SwingUtilities.invokeLater(action);
    }

    private static Runnable exit(int code) {
        return () -> Gateway.endWith(code);
    }

    /** Empty, or what was wrong. */
    private String perform(String command, String rest) {
        switch (command) {
            case "state":
                return "";
            case "wedge":
                gateway.api.wedge(!rest.equals("off"));
                return "";
            case "expire-token":
                gateway.server.expireToken();
                return "";
            case "code":
                String[] parts = rest.split("\\s+", 2);
                gateway.session().code(Integer.parseInt(parts[0]), parts.length > 1 ? parts[1] : "");
                return "";
            case "hang":
                hang();
                return "";
            case "exhaust-memory":
                Memory.exhaust();
                return "";
            default:
                return inUi(() -> performInUi(command, rest));
        }
    }

    private String performInUi(String command, String rest) {
        return switch (command) {
            case "approve" -> gateway.login().factor().finish("approved") ? "" : "no push is pending";
            case "deny" -> gateway.login().factor().finish("denied") ? "" : "no push is pending";
            case "enter-code" -> gateway.login().factor().type(rest) ? "" : "no code is asked for";
            case "choose-device" -> gateway.login().factor().choose(rest) ? "" : "no list with this device is open";
            case "dismiss" -> gateway.dismiss() ? "" : "no dialog is waiting";
            case "link" -> whenReady(() -> gateway.session().link(rest));
            default -> "unknown command \"" + command + "\"";
        };
    }

    private String whenReady(Runnable action) {
        String error = unlessReady();
        if (error.isEmpty()) {
            action.run();
        }
        return error;
    }

    private String unlessReady() {
        return gateway.state().equals("ready") ? "" : "not logged in; the state is " + gateway.state();
    }

    private String inUi(Supplier<String> action) {
        CompletableFuture<String> answer = new CompletableFuture<>();
        SwingUtilities.invokeLater(() -> {
            try {
                answer.complete(action.get());
            } catch (RuntimeException error) {
                answer.completeExceptionally(error);
            }
        });
        try {
            return answer.get(UI_PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException error) {
            return "the user interface does not answer";
        } catch (ExecutionException error) {
            return String.valueOf(error.getCause());
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            return "interrupted";
        }
    }

    private void hang() {
        hung = true;
        gateway.api.wedge(true);
        SwingUtilities.invokeLater(() -> {
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
            }
        });
    }
}
