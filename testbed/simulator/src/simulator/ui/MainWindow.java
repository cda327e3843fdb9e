package simulator.ui;

import java.awt.BorderLayout;
import java.awt.event.InputEvent;
import java.awt.event.KeyAdapter;
import java.awt.event.KeyEvent;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JMenu;
import javax.swing.JMenuBar;
import javax.swing.JMenuItem;
import javax.swing.SwingConstants;
import javax.swing.WindowConstants;

/** The main window. Its Settings menu stays disabled until the login has completed. */
public final class MainWindow {
    /** What a user can ask for here. */
    public interface Actions {
        void settings();

        void close();

        void reconnectAccount();

        void reconnectData();
    }

    private final JFrame frame = new JFrame("IBKR Gateway");
    private final JLabel status = new JLabel("Interactive Brokers API Server: disconnected", SwingConstants.CENTER);
    private final JMenuItem settings = new JMenuItem("Settings");

    public MainWindow(Actions actions) {
        JMenuBar bar = new JMenuBar();
        bar.add(menu("File", item("Close", actions::close)));
        settings.addActionListener(e -> actions.settings());
        settings.setEnabled(false);
        bar.add(menu("Configure", settings));
        bar.add(menu("Help", item("About Gateway", () -> Dialogs.message("About Gateway",
                "A simulated IB Gateway. It connects to nothing.", "Close", () -> { }))));
        frame.setJMenuBar(bar);
        frame.add(status, BorderLayout.CENTER);
        frame.addKeyListener(new KeyAdapter() {
            @Override
            public void keyPressed(KeyEvent event) {
                int wanted = InputEvent.CTRL_DOWN_MASK | InputEvent.ALT_DOWN_MASK;
                if ((event.getModifiersEx() & wanted) == wanted && event.getKeyCode() == KeyEvent.VK_R) {
                    actions.reconnectAccount();
                } else if ((event.getModifiersEx() & wanted) == wanted && event.getKeyCode() == KeyEvent.VK_F) {
                    actions.reconnectData();
                }
            }
        });
        frame.setDefaultCloseOperation(WindowConstants.DO_NOTHING_ON_CLOSE);
        frame.addWindowListener(Dialogs.closing(actions::close));
        frame.setSize(520, 280);
    }

    private static JMenu menu(String title, JMenuItem item) {
        JMenu menu = new JMenu(title);
        menu.add(item);
        return menu;
    }

    private static JMenuItem item(String title, Runnable action) {
        JMenuItem item = new JMenuItem(title);
        item.addActionListener(e -> action.run());
        return item;
    }

    public void show() {
        frame.setVisible(true);
    }

    public void ready(boolean yes, String text) {
        settings.setEnabled(yes);
        status.setText(text);
    }
}
