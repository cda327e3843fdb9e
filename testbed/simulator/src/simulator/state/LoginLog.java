package simulator.state;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/** logins.jsonl: one line for every time credentials were submitted. Passwords only as SHA-256. */
public final class LoginLog {
    private LoginLog() {}

    public static void append(Path folder, String mode, String user, char[] password, String outcome) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("time", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
        line.put("mode", mode);
        line.put("username", user);
        line.put("password_sha256", sha256(new String(password)));
        line.put("outcome", outcome);
        Store.append(folder.resolve("logins.jsonl"), Json.of(line));
    }

    static String sha256(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }
}
