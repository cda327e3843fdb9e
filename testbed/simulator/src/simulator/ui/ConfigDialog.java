package simulator.ui;

import java.awt.BorderLayout;
import java.awt.CardLayout;
import java.awt.Dialog;
import java.awt.FlowLayout;
import java.awt.GridLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.swing.ButtonGroup;
import javax.swing.JButton;
import javax.swing.JCheckBox;
import javax.swing.JComponent;
import javax.swing.JDialog;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JRadioButton;
import javax.swing.JTextField;
import javax.swing.JTree;
import javax.swing.WindowConstants;
import javax.swing.tree.DefaultMutableTreeNode;
import simulator.state.Log;
import simulator.state.UserSettings;

/** Configure, Settings: a tree on the left, one page per entry on the right; OK saves everything. */
public final class ConfigDialog {
    private static final Map<String, String> API_BOXES = boxes(
            "api.read_only", "Read-Only API",
            "api.localhost_only", "Allow connections from localhost only",
            "api.lots_for_us_stocks", "Send market data in lots for US stocks for dual-mode API clients");
    private static final Map<String, String> PRECAUTIONS = boxes(
            "bypass.order", "Bypass Order Precautions for API Orders",
            "bypass.bond", "Bypass Bond warning for API Orders.",
            "bypass.negative_yield", "Bypass negative yield to worst confirmation for API Orders.",
            "bypass.called_bond", "Bypass Called Bond warning for API Orders",
            "bypass.same_action_pair", "Bypass \"same action pair trade\" warning for API orders.",
            "bypass.volatility", "Bypass price-based volatility risk warning for API Orders.",
            "bypass.shares", "Bypass US Stocks market data in shares warning for API Orders",
            "bypass.redirect", "Bypass Redirect Order warning for Stock API Orders",
            "bypass.overfill", "Bypass No Overfill Protection precaution for destinations where implied natively.");

    private final UserSettings settings;
    private final Map<String, JCheckBox> checks = new LinkedHashMap<>();
    private final JTextField port = new JTextField(6);
    private final JTextField masterClient = new JTextField(6);
    private final JTextField time = new JTextField(6);
    private final JRadioButton am = new JRadioButton("AM");
    private final JRadioButton pm = new JRadioButton("PM");
    private final JRadioButton restart = new JRadioButton("Auto restart");
    private final JRadioButton logoff = new JRadioButton("Auto logoff");

    private ConfigDialog(UserSettings settings) {
        this.settings = settings;
    }

    /** @param saved called after OK, when the settings have been stored. */
    public static void open(String user, UserSettings settings, Runnable saved) {
        new ConfigDialog(settings).show(user, saved);
    }

    private static Map<String, String> boxes(String... pairs) {
        Map<String, String> result = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            result.put(pairs[i], pairs[i + 1]);
        }
        return result;
    }

    private void show(String user, Runnable saved) {
        JDialog dialog = new JDialog((Dialog) null, user + " Trader Workstation Configuration");
        CardLayout cards = new CardLayout();
        JPanel pages = new JPanel(cards);
        pages.add(apiPage(), "Settings");
        pages.add(boxPage(PRECAUTIONS), "Precautions");
        pages.add(exitPage(), "Lock and Exit");
        JTree tree = tree();
        tree.addTreeSelectionListener(e -> cards.show(pages, String.valueOf(e.getPath().getLastPathComponent())));
        JButton ok = new JButton("OK");
        ok.addActionListener(e -> {
            dialog.dispose();
            save();
            saved.run();
        });
        dialog.add(tree, BorderLayout.WEST);
        dialog.add(pages, BorderLayout.CENTER);
        dialog.add(ok, BorderLayout.SOUTH);
        dialog.setDefaultCloseOperation(WindowConstants.DISPOSE_ON_CLOSE);
        dialog.pack();
        dialog.setVisible(true);
    }

    private static JTree tree() {
        DefaultMutableTreeNode root = new DefaultMutableTreeNode("Configuration");
        DefaultMutableTreeNode api = new DefaultMutableTreeNode("API");
        api.add(new DefaultMutableTreeNode("Settings"));
        api.add(new DefaultMutableTreeNode("Precautions"));
        root.add(api);
        root.add(new DefaultMutableTreeNode("Lock and Exit"));
        return new JTree(root);
    }

    private JPanel apiPage() {
        JPanel page = boxPage(API_BOXES);
        page.add(named("Socket port", port, settings.get("api.port")));
        page.add(named("Master API client ID", masterClient, settings.get("api.master_client_id")));
        JButton reset = new JButton("Reset API order ID sequence");
        reset.addActionListener(e -> settings.set("api.next_order_id", "1"));
        page.add(reset);
        return page;
    }

    /** IBC finds these two by the component's name and then takes the text field inside. */
    private static JComponent named(String name, JTextField field, String text) {
        JPanel panel = new JPanel(new FlowLayout());
        panel.setName(name);
        field.setText(text);
        panel.add(new JLabel(name));
        panel.add(field);
        return panel;
    }

    private JPanel boxPage(Map<String, String> labels) {
        JPanel page = new JPanel(new GridLayout(0, 1));
        labels.forEach((key, label) -> {
            JCheckBox box = new JCheckBox(label, settings.is(key));
            checks.put(key, box);
            page.add(box);
        });
        return page;
    }

    /** IBC starts at the label and goes up two containers to find the time's controls. */
    private JPanel exitPage() {
        boolean restarting = settings.get("exit.action").equals("restart");
        String[] parts = settings.get("exit.time").split(" ");
        group(am, pm);
        group(restart, logoff);
        time.setText(parts[0]);
        (parts[1].equals("AM") ? am : pm).setSelected(true);
        (restarting ? restart : logoff).setSelected(true);
        JPanel heading = new JPanel(new FlowLayout());
        heading.add(new JLabel(restarting ? "Set Auto Restart Time (HH:MM)" : "Set Auto Log Off Time (HH:MM)"));
        JPanel page = new JPanel(new FlowLayout());
        page.add(heading);
        for (JComponent each : new JComponent[] {time, am, pm, restart, logoff}) {
            page.add(each);
        }
        return page;
    }

    private static void group(JRadioButton... buttons) {
        ButtonGroup group = new ButtonGroup();
        for (JRadioButton each : buttons) {
            group.add(each);
        }
    }

    private void save() {
        checks.forEach((key, box) -> settings.set(key, box.isSelected()));
        if (port.getText().strip().matches("[1-9][0-9]{0,4}") && Integer.parseInt(port.getText().strip()) < 65536) {
            settings.set("api.port", port.getText().strip());
        } else {
            Log.line("The socket port %s is no port number; the old one is kept", port.getText());
        }
        settings.set("api.master_client_id", masterClient.getText().strip());
        if (time.getText().strip().matches("(0?[1-9]|1[0-2]):[0-5][0-9]")) {
            settings.set("exit.time", time.getText().strip() + (am.isSelected() ? " AM" : " PM"));
        } else {
            Log.line("%s is no time of day; the old one is kept", time.getText());
        }
        settings.set("exit.action", restart.isSelected() ? "restart" : "logoff");
        settings.save();
    }
}
