package simulator.state;

import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/** launcher.log in the settings folder, as the real program keeps one. */
public final class Log {
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS");
    private static volatile Path file;

    private Log() {}

    public static void to(Path path) {
        file = path;
    }

    public static synchronized void line(String format, Object... values) {
        if (file != null) {
            Store.append(file, TIME.format(LocalDateTime.now()) + " " + String.format(Locale.ROOT, format, values));
        }
    }
}
