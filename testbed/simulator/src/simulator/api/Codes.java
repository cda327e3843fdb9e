package simulator.api;

import java.util.Map;

/** The texts of the system codes and refusals a client can get. */
public final class Codes {
    private static final Map<Integer, String> TEXTS = Map.ofEntries(
            Map.entry(1100, "Connectivity between IBKR and Trader Workstation has been lost."),
            Map.entry(1101, "Connectivity between IBKR and Trader Workstation has been restored - data lost."),
            Map.entry(1102, "Connectivity between IBKR and Trader Workstation has been restored - data maintained. "
                    + "All data farms are connected: usfarm; ushmds; secdefnj."),
            Map.entry(2103, "Market data farm connection is broken:usfarm"),
            Map.entry(2104, "Market data farm connection is OK:usfarm"),
            Map.entry(2105, "HMDS data farm connection is broken:ushmds"),
            Map.entry(2106, "HMDS data farm connection is OK:ushmds"),
            Map.entry(2107, "HMDS data farm connection is inactive but should be available upon demand.ushmds"),
            Map.entry(2108, "Market data farm connection is inactive but should be available upon demand.usfarm"),
            Map.entry(2110, "Connectivity between Trader Workstation and server is broken. "
                    + "It will be restored automatically."),
            Map.entry(2119, "Market data farm is connecting:usfarm"),
            Map.entry(2157, "Sec-def data farm connection is broken:secdefnj"),
            Map.entry(2158, "Sec-def data farm connection is OK:secdefnj"),
            Map.entry(162, "Historical Market Data Service error message:no data in the simulated Gateway"),
            Map.entry(200, "No security definition has been found for the request"),
            Map.entry(321, "Error validating request.-'bN' : cause - "
                    + "The API interface is currently in Read-Only mode."),
            Map.entry(326, "Unable to connect as the client id is already in use. Retry with a unique client id."),
            Map.entry(354, "Requested market data is not subscribed."),
            Map.entry(503, "The TWS is out of date and must be upgraded."),
            Map.entry(10197, "No market data during competing live session"));

    private Codes() {}

    /** The text of a code; a code without one says that it is simulated. */
    public static String text(int code) {
        return TEXTS.getOrDefault(code, "Simulated message " + code);
    }
}
