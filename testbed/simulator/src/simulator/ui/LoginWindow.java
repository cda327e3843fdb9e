package simulator.ui;

import java.awt.GridLayout;
import javax.swing.ButtonGroup;
import javax.swing.JButton;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JPasswordField;
import javax.swing.JTextField;
import javax.swing.JToggleButton;
import javax.swing.WindowConstants;

/** The login frame: interface and trading mode, user name, password, one button. */
public final class LoginWindow {
    /** Receives what was submitted; the password is the caller's to forget. */
    public interface Submit {
        void login(String mode, String user, char[] password);
    }

    private final JFrame frame = new JFrame("IBKR Gateway");
    private final JToggleButton paper = new JToggleButton("Paper Trading");
    private final JToggleButton live = new JToggleButton("Live Trading", true);
    private final JTextField user = new JTextField(20);
    private final JPasswordField password = new JPasswordField(20);
    private final JButton button = new JButton("Log In");

    /** @param odd the choice of the interface has a name that IBC does not know */
    public LoginWindow(Submit submit, Runnable onClose, boolean odd) {
        JToggleButton api = new JToggleButton(odd ? "Interface" : "IB API", true);
        JToggleButton fix = new JToggleButton("FIX CTCI");
        group(api, fix);
        group(live, paper);
        live.addItemListener(e -> button.setText(live.isSelected() ? "Log In" : "Paper Log In"));
        button.addActionListener(e -> submit.login(mode(), user.getText(), password.getPassword()));
        frame.setLayout(new GridLayout(0, 2, 8, 8));
        frame.add(new JLabel("API Type"));
        frame.add(new JLabel(""));
        frame.add(fix);
        frame.add(api);
        frame.add(new JLabel("Trading Mode"));
        frame.add(new JLabel(""));
        frame.add(live);
        frame.add(paper);
        frame.add(new JLabel("Username"));
        frame.add(user);
        frame.add(new JLabel("Password"));
        frame.add(password);
        frame.add(button);
        frame.setDefaultCloseOperation(WindowConstants.DO_NOTHING_ON_CLOSE);
        frame.addWindowListener(Dialogs.closing(onClose));
        frame.pack();
    }

    private static void group(JToggleButton... buttons) {
        ButtonGroup group = new ButtonGroup();
        for (JToggleButton each : buttons) {
            group.add(each);
        }
    }

    private String mode() {
        return live.isSelected() ? "live" : "paper";
    }

    public void show() {
        frame.setVisible(true);
    }

    public void accepting(boolean yes) {
        button.setEnabled(yes);
    }

    public void dispose() {
        frame.dispose();
    }
}
