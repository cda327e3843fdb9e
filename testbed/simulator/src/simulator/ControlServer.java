package simulator;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import simulator.state.Log;
import simulator.state.Store;

/** The control port on 127.0.0.1: a line in, a line of JSON out. Its number is in the file control-port. */
final class ControlServer {
    private ControlServer() {}

    static void start(Path folder, Commands commands) {
        Path file = folder.resolve("control-port");
        try {
            ServerSocket listener = new ServerSocket(0, 16, InetAddress.getByName("127.0.0.1"));
            Store.replace(file, listener.getLocalPort() + "\n");
            // A killed process leaves the file behind; its readers take a refused connection for "stopped".
            Runtime.getRuntime().addShutdownHook(new Thread(() -> Store.delete(file), "control-port"));
            daemon(() -> accept(listener, commands));
        } catch (IOException error) {
            Log.line("No control port: %s", error.getMessage());
        }
    }

    private static void accept(ServerSocket listener, Commands commands) {
        while (true) {
            try {
                Socket peer = listener.accept();
                daemon(() -> serve(peer, commands));
            } catch (IOException error) {
                Log.line("Control port: %s", error.getMessage());
                return;
            }
        }
    }

    private static void serve(Socket peer, Commands commands) {
        try (peer; BufferedReader in = new BufferedReader(
                new InputStreamReader(peer.getInputStream(), StandardCharsets.UTF_8));
                Writer out = new OutputStreamWriter(peer.getOutputStream(), StandardCharsets.UTF_8)) {
            String line = in.readLine();
            while (line != null) {
                Commands.Reply reply = commands.run(line.strip());
                out.write(reply.text() + "\n");
                out.flush();
                reply.afterwards().run();
                line = in.readLine();
            }
        } catch (IOException | RuntimeException error) {
            // An uncaught exception in any thread makes IBC end the program.
            Log.line("Control client: %s", error);
        }
    }

    private static void daemon(Runnable task) {
        Thread thread = new Thread(task, "control");
        thread.setDaemon(true);
        thread.start();
    }
}
