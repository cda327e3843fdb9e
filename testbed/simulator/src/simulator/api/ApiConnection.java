package simulator.api;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import simulator.state.Log;

/** One API client: handshake, then its requests until it goes. */
final class ApiConnection {
    /** The version a real Gateway negotiates with a client that speaks the text protocol only. */
    private static final int NEWEST = 187;
    /** The oldest version whose messages {@link Requests} forms. */
    private static final int OLDEST = 157;
    private static final Pattern OFFER = Pattern.compile("v(\\d+)(?:\\.\\.(\\d+))?.*", Pattern.DOTALL);

    private final ApiServer server;
    private final Socket socket;
    private DataOutputStream out;
    private int clientId = -1;
    private boolean started;

    ApiConnection(ApiServer server, Socket socket) {
        this.server = server;
        this.socket = socket;
    }

    void serve() {
        try (socket) {
            socket.setTcpNoDelay(true);
            server.passWedge();
            DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
            out = new DataOutputStream(new BufferedOutputStream(socket.getOutputStream()));
            if (handshake(in)) {
                requests(in);
            }
        } catch (EOFException error) {
            Log.line("API client %d left", clientId);
        } catch (IOException | RuntimeException error) {
            // An uncaught exception in any thread makes IBC end the program.
            Log.line("API client %d: %s", clientId, error);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        } finally {
            if (started) {
                server.unregister(clientId, this);
            }
        }
    }

    private boolean handshake(DataInputStream in) throws IOException {
        String prefix = new String(in.readNBytes(4), StandardCharsets.US_ASCII);
        Matcher offer = OFFER.matcher(prefix.equals("API\0") ? Frames.readText(in) : "");
        if (!offer.matches()) {
            Log.line("API: not a client of this protocol");
            return false;
        }
        int oldest = Integer.parseInt(offer.group(1));
        int newest = offer.group(2) == null ? oldest : Integer.parseInt(offer.group(2));
        int version = Math.min(newest, NEWEST);
        if (oldest > NEWEST || version < OLDEST) {
            send(4, 2, -1, 503, Codes.text(503), "");
            return false;
        }
        send(version, DateTimeFormatter.ofPattern("yyyyMMdd HH:mm:ss zzz").format(ZonedDateTime.now()));
        return true;
    }

    private void requests(DataInputStream in) throws IOException, InterruptedException {
        Requests requests = new Requests(server, this);
        while (true) {
            List<String> fields = Frames.read(in);
            server.passWedge();
            int id = Integer.parseInt(fields.get(0));
            if (id == 71) {
                if (!start(Integer.parseInt(fields.get(2)))) {
                    return;
                }
            } else if (started) {
                requests.answer(id, fields);
            }
        }
    }

    private boolean start(int id) {
        if (!server.register(id, this)) {
            send(4, 2, -1, 326, Codes.text(326), "");
            return false;
        }
        clientId = id;
        started = true;
        Log.line("API client %d connected", id);
        send(15, 1, server.account().number());
        send(9, 1, server.nextOrderId());
        for (int code : server.linkDown() ? new int[] {1100, 2110} : new int[] {2104, 2106, 2158}) {
            send(4, 2, -1, code, Codes.text(code), "");
        }
        return true;
    }

    int clientId() {
        return clientId;
    }

    /** Any thread may send; a client that is gone is noticed by its reader. */
    synchronized void send(Object... fields) {
        try {
            if (out != null) {
                Frames.write(out, fields);
            }
        } catch (IOException error) {
            close();
        }
    }

    void close() {
        try {
            socket.close();
        } catch (IOException error) {
            Log.line("API client %d: %s", clientId, error.getMessage());
        }
    }
}
