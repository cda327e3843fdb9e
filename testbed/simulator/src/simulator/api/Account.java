package simulator.api;

import java.util.Map;
import java.util.TreeMap;

/** The one simulated account: its number, a few values, and one position. */
public final class Account {
    static final String[] CONTRACT = {"756733", "SPY", "STK", "", "0.0", "", "", "ARCA", "USD", "SPY", "SPY"};
    static final String POSITION = "10";
    static final String AVERAGE_COST = "500.25";

    private final String number;

    public Account(String mode) {
        this.number = "live".equals(mode) ? "U1234567" : "DU1234567";
    }

    public String number() {
        return number;
    }

    Map<String, String> values() {
        return new TreeMap<>(Map.of(
                "AvailableFunds", "94997.50",
                "BuyingPower", "379990.00",
                "CashBalance", "94997.50",
                "NetLiquidation", "100000.00",
                "TotalCashValue", "94997.50"));
    }
}
