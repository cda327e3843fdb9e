package simulator;

import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import javax.swing.Timer;
import simulator.state.Log;
import simulator.state.UserSettings;

/** Auto restart or auto logoff at the configured time of day, in the JVM's zone. */
final class AutoExit {
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("h:mm a", Locale.ENGLISH);

    private final Gateway gateway;
    private final Timer clock = new Timer(500, e -> look());
    private LocalDateTime due = LocalDateTime.MAX;

    AutoExit(Gateway gateway) {
        this.gateway = gateway;
    }

    /** Computes the next time anew; a time of day that has begun counts as tomorrow's. */
    void start() {
        LocalDateTime now = LocalDateTime.now();
        LocalTime time = LocalTime.parse(gateway.userSettings().get("exit.time"), TIME);
        LocalDateTime today = now.toLocalDate().atTime(time);
        due = today.isAfter(now) ? today : today.plusDays(1);
        clock.start();
    }

    private void look() {
        if (LocalDateTime.now().isBefore(due) || !gateway.state().equals("ready")) {
            return;
        }
        clock.stop();
        UserSettings settings = gateway.userSettings();
        Log.line("Auto %s, due %s", settings.get("exit.action"), due);
        if (settings.get("exit.action").equals("restart")) {
            gateway.tokenRestart();
        } else {
            gateway.logout();
        }
    }
}
