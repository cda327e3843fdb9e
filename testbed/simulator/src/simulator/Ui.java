package simulator;

import java.time.Duration;
import javax.swing.Timer;

/** Things to do later in the user interface's own thread. */
final class Ui {
    private Ui() {}

    static Timer after(Duration delay, Runnable task) {
        Timer timer = new Timer((int) delay.toMillis(), e -> task.run());
        timer.setRepeats(false);
        timer.start();
        return timer;
    }
}
