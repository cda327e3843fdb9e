package simulator.ui;

import java.awt.BorderLayout;
import java.awt.Component;
import java.awt.Dialog;
import java.awt.FlowLayout;
import java.awt.Window;
import java.awt.event.WindowAdapter;
import java.awt.event.WindowEvent;
import java.util.List;
import java.util.function.Consumer;
import javax.swing.JButton;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JPanel;
import javax.swing.JTextArea;
import javax.swing.JTextField;
import javax.swing.RootPaneContainer;
import javax.swing.WindowConstants;

/**
 * The dialogs, with the titles and controls IBC looks for. None is modal: the user interface goes on, and the control
 * port stays able to close any of them.
 */
public final class Dialogs {
    /** A button and what it does after it has closed its dialog. */
    public record Choice(String label, Runnable action) {}

    private Dialogs() {}

    /** A text in a JTextArea, where IBC reads messages. */
    public static JDialog message(String title, String text, String button, Runnable then) {
        JTextArea area = new JTextArea(text);
        area.setEditable(false);
        return dialog(title, area, new Choice(button, then));
    }

    /** A text in a JLabel, where IBC looks for questions and warnings. */
    public static JDialog question(String title, String text, Choice... choices) {
        return dialog(title, new JLabel(text), choices);
    }

    public static JDialog push(String user) {
        return dialog("Second Factor Authentication",
                new JLabel("We sent a notification to the phone of " + user + ". Approve it in IBKR Mobile."));
    }

    public static JDialog devices(List<String> devices, Consumer<String> chosen) {
        JTextArea prompt = new JTextArea("Select second factor device");
        prompt.setEditable(false);
        // The real list pads its entries; IBC trims them.
        JList<String> list = new JList<>(devices.stream().map(d -> " " + d).toArray(String[]::new));
        JPanel panel = new JPanel(new BorderLayout());
        panel.add(prompt, BorderLayout.NORTH);
        panel.add(list, BorderLayout.CENTER);
        JDialog dialog = new JDialog((Dialog) null, "Second Factor Authentication");
        JButton ok = new JButton("OK");
        ok.addActionListener(e -> {
            if (list.getSelectedValue() != null) {
                dialog.dispose();
                chosen.accept(list.getSelectedValue().strip());
            }
        });
        return show(dialog, panel, ok);
    }

    /** @param readOnly what the button "Enter Read Only" does, which IBC presses when told to log in read-only. */
    public static JDialog code(String title, Consumer<String> entered, Runnable readOnly) {
        JTextField field = new JTextField(12);
        JPanel panel = new JPanel(new FlowLayout());
        panel.add(new JLabel("Enter the code of your security device"));
        panel.add(field);
        JDialog dialog = new JDialog((Dialog) null, title);
        JButton ok = new JButton("OK");
        ok.addActionListener(e -> {
            if (!field.getText().isBlank()) {
                dialog.dispose();
                entered.accept(field.getText().strip());
            }
        });
        JButton without = new JButton("Enter Read Only");
        without.addActionListener(e -> {
            dialog.dispose();
            readOnly.run();
        });
        return show(dialog, panel, ok, without);
    }

    public static JDialog shutdownProgress() {
        return dialog("Shutdown progress", new JLabel("Closing the connections..."));
    }

    /** A frame, not a dialog, as the real notice is. */
    public static JFrame passwordNotice(String days) {
        JFrame frame = new JFrame("Password Notice");
        JButton ok = new JButton("OK");
        ok.addActionListener(e -> frame.dispose());
        return show(frame, new JLabel("Your password will expire in " + days + " days. Please change it."), ok);
    }

    private static JDialog dialog(String title, Component content, Choice... choices) {
        JDialog dialog = new JDialog((Dialog) null, title);
        JButton[] buttons = new JButton[choices.length];
        for (int i = 0; i < choices.length; i++) {
            Choice choice = choices[i];
            buttons[i] = new JButton(choice.label());
            buttons[i].addActionListener(e -> {
                dialog.dispose();
                choice.action().run();
            });
        }
        return show(dialog, content, buttons);
    }

    private static <W extends Window & RootPaneContainer> W show(W window, Component content, JButton... buttons) {
        JPanel row = new JPanel(new FlowLayout());
        for (JButton button : buttons) {
            row.add(button);
        }
        if (buttons.length > 0) {
            window.getRootPane().setDefaultButton(buttons[0]);
        }
        window.getRootPane().getContentPane().add(content, BorderLayout.CENTER);
        window.getRootPane().getContentPane().add(row, BorderLayout.SOUTH);
        if (window instanceof JDialog dialog) {
            dialog.setDefaultCloseOperation(WindowConstants.DO_NOTHING_ON_CLOSE);
        } else if (window instanceof JFrame frame) {
            frame.setDefaultCloseOperation(WindowConstants.DO_NOTHING_ON_CLOSE);
        }
        window.pack();
        window.setVisible(true);
        return window;
    }

    /** Presses the first button of a dialog, as a person would. */
    public static void press(Window dialog) {
        JButton button = ((RootPaneContainer) dialog).getRootPane().getDefaultButton();
        if (button == null) {
            dialog.dispose();
        } else {
            button.doClick();
        }
    }

    public static String title(Window window) {
        if (window instanceof JDialog dialog) {
            return String.valueOf(dialog.getTitle());
        }
        return window instanceof JFrame frame ? frame.getTitle() : "";
    }

    static WindowAdapter closing(Runnable action) {
        return new WindowAdapter() {
            @Override
            public void windowClosing(WindowEvent event) {
                action.run();
            }
        };
    }
}
