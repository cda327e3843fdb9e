package simulator.ui;

import java.time.Duration;
import java.util.List;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.Timer;
import javax.swing.WindowConstants;

/** The progress frame. IBC takes the login as complete when it closes with the title "Starting application...". */
public final class Splash {
    private static final List<String> LOADING = List.of("Requesting startup parameters...", "Starting application...");

    private final JFrame frame;
    private Timer timer;

    public Splash(String title) {
        frame = new JFrame(title);
        frame.add(new JLabel("Interactive Brokers"));
        frame.setDefaultCloseOperation(WindowConstants.DO_NOTHING_ON_CLOSE);
        frame.setSize(320, 120);
        frame.setVisible(true);
    }

    public void title(String title) {
        frame.setTitle(title);
    }

    /** Goes through the last steps in the given time, closes, and calls back. */
    public void finish(Duration time, Runnable done) {
        int[] step = {0};
        timer = new Timer((int) (time.toMillis() / LOADING.size()), null);
        timer.setInitialDelay(0);
        timer.addActionListener(e -> {
            if (step[0] < LOADING.size()) {
                frame.setTitle(LOADING.get(step[0]++));
            } else {
                dispose();
                done.run();
            }
        });
        timer.start();
    }

    public void dispose() {
        if (timer != null) {
            timer.stop();
        }
        frame.dispose();
    }
}
