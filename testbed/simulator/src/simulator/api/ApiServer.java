package simulator.api;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import simulator.state.Log;

/** Listens on the API port, one thread per client. */
public final class ApiServer {
    private static final long CLOSING_MILLIS = 2000;

    private final Set<ApiConnection> connections = ConcurrentHashMap.newKeySet();
    private final Map<Integer, ApiConnection> clients = new TreeMap<>();
    private final AtomicInteger orderIds = new AtomicInteger(1);
    private volatile ServerSocket listener;
    private Thread acceptor;
    private volatile boolean loopback;
    private volatile Account account = new Account("live", key -> "0");
    private volatile boolean readOnly = true;
    private volatile boolean linkDown;
    private volatile boolean competing;
    private volatile CountDownLatch wedge = new CountDownLatch(0);

    /**
     * Opens the port, after closing the one that was open. A port in use is logged and left closed, as by the real one.
     *
     * @param localOnly listen on 127.0.0.1 only; otherwise on all interfaces
     */
    public synchronized void open(int port, boolean localOnly) {
        close();
        try {
            ServerSocket socket = new ServerSocket();
            socket.setReuseAddress(true);
            socket.bind(localOnly ? new InetSocketAddress(InetAddress.getLoopbackAddress(), port)
                    : new InetSocketAddress(port), 50);
            listener = socket;
            loopback = localOnly;
            acceptor = thread("api-accept", () -> accept(socket));
            Log.line("API server listening on port %d", port);
        } catch (IOException error) {
            Log.line("API server cannot listen on port %d: %s", port, error.getMessage());
        }
    }

    public synchronized void close() {
        ServerSocket socket = listener;
        listener = null;
        if (socket != null) {
            try {
                socket.close();
                // Until its thread has left accept(), the system takes the port as still listened on.
                acceptor.join(CLOSING_MILLIS);
            } catch (IOException error) {
                Log.line("API server: %s", error.getMessage());
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
            }
        }
        connections.forEach(ApiConnection::close);
    }

    private void accept(ServerSocket socket) {
        while (!socket.isClosed()) {
            try {
                Socket peer = socket.accept();
                ApiConnection connection = new ApiConnection(this, peer);
                connections.add(connection);
                thread("api-client", () -> {
                    connection.serve();
                    connections.remove(connection);
                });
            } catch (IOException error) {
                if (!socket.isClosed()) {
                    Log.line("API server: %s", error.getMessage());
                }
            }
        }
    }

    private static Thread thread(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    /** False when the client id is taken. */
    boolean register(int clientId, ApiConnection connection) {
        synchronized (clients) {
            return clients.putIfAbsent(clientId, connection) == null;
        }
    }

    void unregister(int clientId, ApiConnection connection) {
        synchronized (clients) {
            clients.remove(clientId, connection);
        }
    }

    public Collection<Integer> clientIds() {
        synchronized (clients) {
            return clients.keySet().stream().toList();
        }
    }

    /** Sends a system code to every client that has started; while wedged, it is lost. */
    public void broadcast(int code, String text) {
        if (wedged()) {
            return;
        }
        Collection<ApiConnection> now;
        synchronized (clients) {
            now = clients.values().stream().toList();
        }
        now.forEach(client -> client.send(4, 2, -1, code, text, ""));
    }

    /** While wedged, connections are accepted and nothing is ever answered. */
    public void wedge(boolean on) {
        if (on && !wedged()) {
            wedge = new CountDownLatch(1);
        } else if (!on) {
            wedge.countDown();
        }
    }

    public boolean wedged() {
        return wedge.getCount() > 0;
    }

    void passWedge() throws InterruptedException {
        wedge.await();
    }

    public int port() {
        ServerSocket socket = listener;
        return socket == null ? 0 : socket.getLocalPort();
    }

    public boolean localOnly() {
        return loopback;
    }

    public void account(Account value) {
        account = value;
    }

    Account account() {
        return account;
    }

    public void readOnly(boolean value) {
        readOnly = value;
    }

    boolean readOnly() {
        return readOnly;
    }

    public void linkDown(boolean value) {
        linkDown = value;
    }

    public boolean linkDown() {
        return linkDown;
    }

    public void competing(boolean value) {
        competing = value;
    }

    boolean competing() {
        return competing;
    }

    int nextOrderId() {
        return orderIds.get();
    }

    void orderIdUsed(int id) {
        orderIds.accumulateAndGet(id + 1, Math::max);
    }
}
