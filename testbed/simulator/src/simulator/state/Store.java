package simulator.state;

import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

/** Small files in the settings folder: properties (UTF-8, sorted, replaced in one step) and lines appended. */
public final class Store {
    private Store() {}

    public static Properties read(Path file) {
        Properties result = new Properties();
        try {
            if (Files.exists(file)) {
                result.load(new StringReader(Files.readString(file)));
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return result;
    }

    public static void write(Path file, Properties values) {
        StringBuilder text = new StringBuilder();
        for (Map.Entry<Object, Object> entry : new TreeMap<>(values).entrySet()) {
            text.append(entry.getKey()).append('=')
                    .append(String.valueOf(entry.getValue()).replace("\\", "\\\\").replace("\n", "\\n")).append('\n');
        }
        replace(file, text.toString());
    }

    /** Readers see the old file or the new one, never half of one. */
    public static void replace(Path file, String text) {
        replace(file, text.getBytes(StandardCharsets.UTF_8));
    }

    static void replace(Path file, byte[] content) {
        try {
            folder(file.getParent());
            Path fresh = file.resolveSibling(file.getFileName() + ".new");
            Files.deleteIfExists(fresh);
            Files.createFile(fresh, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Files.write(fresh, content);
            Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    public static void append(Path file, String line) {
        try {
            folder(file.getParent());
            if (!Files.exists(file)) {
                Files.createFile(file,
                        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            }
            Files.writeString(file, line + "\n", StandardCharsets.UTF_8, StandardOpenOption.APPEND);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Empty when there is no such file. */
    public static String firstLine(Path file) {
        try {
            return Files.exists(file) ? Files.readString(file).lines().findFirst().orElse("") : "";
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    public static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static void folder(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            Files.createDirectories(folder,
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        }
    }
}
