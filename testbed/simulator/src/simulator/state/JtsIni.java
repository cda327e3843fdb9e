package simulator.state;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** jts.ini: changes single keys and keeps every other line as it is. */
public final class JtsIni {
    private final Path file;

    public JtsIni(Path settings) {
        this.file = settings.resolve("jts.ini");
    }

    public synchronized String get(String section, String key) {
        boolean inside = false;
        for (String line : lines()) {
            if (line.strip().startsWith("[")) {
                inside = line.strip().equals("[" + section + "]");
            } else if (inside && line.startsWith(key + "=")) {
                return line.substring(key.length() + 1).strip();
            }
        }
        return "";
    }

    public synchronized void set(String section, String key, String value) {
        List<String> lines = lines();
        int start = -1;
        for (int i = 0; i < lines.size(); i++) {
            if (lines.get(i).strip().equals("[" + section + "]")) {
                start = i;
                break;
            }
        }
        if (start < 0) {
            lines.add("[" + section + "]");
            start = lines.size() - 1;
        }
        int at = start + 1;
        while (at < lines.size() && !lines.get(at).strip().startsWith("[")) {
            if (lines.get(at).startsWith(key + "=")) {
                lines.remove(at);
                break;
            }
            at++;
        }
        lines.add(at, key + "=" + value);
        Store.replace(file, (String.join("\n", lines) + "\n").getBytes(StandardCharsets.ISO_8859_1));
    }

    private List<String> lines() {
        try {
            return Files.exists(file)
                    ? new ArrayList<>(Files.readAllLines(file, StandardCharsets.ISO_8859_1)) : new ArrayList<>();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
