package simulator.api;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** The wire form: a 4-byte length, then fields, each ended by a NUL byte. */
final class Frames {
    private static final int LONGEST = 0xFFFFFF;

    private Frames() {}

    static List<String> read(DataInputStream in) throws IOException {
        String text = readText(in);
        return Arrays.asList(text.split("\0", -1));
    }

    static String readText(DataInputStream in) throws IOException {
        int length = in.readInt();
        if (length < 0 || length > LONGEST) {
            throw new IOException("a frame of " + length + " bytes is not of this protocol");
        }
        return new String(in.readNBytes(length), StandardCharsets.UTF_8);
    }

    static void write(DataOutputStream out, Object... fields) throws IOException {
        StringBuilder text = new StringBuilder();
        for (Object field : fields) {
            text.append(field).append('\0');
        }
        byte[] body = text.toString().getBytes(StandardCharsets.UTF_8);
        out.writeInt(body.length);
        out.write(body);
        out.flush();
    }
}
