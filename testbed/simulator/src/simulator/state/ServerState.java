package simulator.state;

import java.nio.file.Path;
import java.time.DayOfWeek;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.temporal.TemporalAdjusters;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.UUID;

/** What IBKR's servers know between two runs: counters, the weekly token, who holds the session. */
public final class ServerState {
    private static final ZoneId NEW_YORK = ZoneId.of("America/New_York");

    private final Path file;

    public ServerState(Path folder) {
        this.file = folder.resolve("server.properties");
    }

    /** Counts one more occasion, for example "logins" or "pushes.missed". */
    public synchronized void count(String what) {
        Properties values = Store.read(file);
        int seen = Integer.parseInt(values.getProperty("count." + what, "0"));
        values.setProperty("count." + what, String.valueOf(seen + 1));
        Store.write(file, values);
    }

    public synchronized Map<String, Integer> counters() {
        Map<String, Integer> result = new TreeMap<>();
        Properties values = Store.read(file);
        for (String key : values.stringPropertyNames()) {
            if (key.startsWith("count.")) {
                result.put(key.substring("count.".length()), Integer.valueOf(values.getProperty(key)));
            }
        }
        return result;
    }

    /** How many entries of this sequence were used before this call. */
    synchronized int advance(String key, String fingerprint) {
        Properties values = Store.read(file);
        boolean same = fingerprint.equals(values.getProperty("sequence." + key));
        int used = same ? Integer.parseInt(values.getProperty("position." + key, "0")) : 0;
        values.setProperty("sequence." + key, fingerprint);
        values.setProperty("position." + key, String.valueOf(used + 1));
        Store.write(file, values);
        return used;
    }

    /** A full login gives a token that lasts until Sunday 01:00 New York time. */
    public synchronized void issueToken(String user) {
        Properties values = Store.read(file);
        values.setProperty("token.id", UUID.randomUUID().toString());
        values.setProperty("token.user", user);
        values.setProperty("token.issued", Instant.now().toString());
        Store.write(file, values);
    }

    public synchronized String token() {
        return Store.read(file).getProperty("token.id", "");
    }

    public synchronized void expireToken() {
        Properties values = Store.read(file);
        values.remove("token.id");
        Store.write(file, values);
    }

    public synchronized boolean accepts(String token) {
        Properties values = Store.read(file);
        return !token.isEmpty()
                && token.equals(values.getProperty("token.id"))
                && Instant.parse(values.getProperty("token.issued")).isAfter(lastExpiry(Instant.now()));
    }

    static Instant lastExpiry(Instant now) {
        ZonedDateTime local = now.atZone(NEW_YORK);
        ZonedDateTime sunday = local.with(TemporalAdjusters.previousOrSame(DayOfWeek.SUNDAY))
                .toLocalDate().atTime(1, 0).atZone(NEW_YORK);
        return (sunday.isAfter(local) ? sunday.minusWeeks(1) : sunday).toInstant();
    }
}
