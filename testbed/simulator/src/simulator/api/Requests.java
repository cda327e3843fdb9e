package simulator.api;

import java.time.Instant;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.util.List;

/** Answers the requests that clients send while they connect, and refuses the rest in the words of the real one. */
final class Requests {
    private final ApiServer server;
    private final ApiConnection client;

    Requests(ApiServer server, ApiConnection client) {
        this.server = server;
        this.client = client;
    }

    void answer(int id, List<String> fields) {
        Account account = server.account();
        switch (id) {
            case 1 -> refuse(fields.get(2), server.competing() ? 10197 : 354);
            case 3 -> placeOrder(fields);
            case 4, 58 -> cancelOrder(id, fields);
            case 5, 16 -> openOrders(account);
            case 6 -> accountUpdates(fields, account);
            case 7 -> client.send(55, 1, fields.get(2));
            case 8 -> client.send(9, 1, server.nextOrderId());
            case 9 -> refuse(fields.get(2), 200);
            case 17 -> client.send(15, 1, account.number());
            case 20 -> refuse(fields.get(1), 162);
            case 49 -> client.send(49, 1, Instant.now().getEpochSecond());
            case 61 -> positions(account);
            case 62 -> accountSummary(fields, account);
            case 74 -> positionsMulti(fields, account);
            case 76 -> accountUpdatesMulti(fields, account);
            case 99 -> client.send(102);
            case 104 -> client.send(107, fields.get(1), "");
            default -> { }
        }
    }

    private void refuse(Object requestId, int code) {
        client.send(4, 2, requestId, code, Codes.text(code), "");
    }

    /** An order is accepted and stays submitted; nothing is ever filled or kept. */
    private void placeOrder(List<String> fields) {
        int orderId = Integer.parseInt(fields.get(1));
        if (server.readOnly()) {
            refuse(orderId, 321);
            return;
        }
        server.orderIdUsed(orderId);
        orderStatus(orderId, "Submitted");
    }

    private void cancelOrder(int id, List<String> fields) {
        if (server.readOnly()) {
            refuse(id == 4 ? fields.get(2) : -1, 321);
        } else if (id == 4) {
            orderStatus(Integer.parseInt(fields.get(2)), "Cancelled");
        }
    }

    private void orderStatus(int orderId, String status) {
        client.send(3, orderId, status, 0, 0, "0.0", 1_000_000 + orderId, 0, "0.0", client.clientId(), "", "0.0");
    }

    /** Other programs' orders: their status alone, without the hundred fields of the order itself. */
    private void openOrders(Account account) {
        for (int order = 1; order <= account.orders(); order++) {
            orderStatus(-order, "Submitted");
        }
        client.send(53, 1);
    }

    private void accountUpdates(List<String> fields, Account account) {
        if (!"1".equals(fields.get(2))) {
            return;
        }
        account.values().forEach((key, value) -> client.send(6, 2, key, value, "USD", account.number()));
        String[] c = Account.CONTRACT;
        client.send(7, 8, c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], account.position(),
                "500.25", "5002.50", Account.AVERAGE_COST, "0.0", "0.0", account.number());
        client.send(8, 1, LocalTime.now().format(DateTimeFormatter.ofPattern("HH:mm")));
        client.send(54, 1, account.number());
    }

    private void positions(Account account) {
        String[] c = Account.CONTRACT;
        client.send(61, 3, account.number(), c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10],
                account.position(), Account.AVERAGE_COST);
        client.send(62, 1);
    }

    private void positionsMulti(List<String> fields, Account account) {
        String[] c = Account.CONTRACT;
        client.send(71, 1, fields.get(2), account.number(), c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9],
                c[10], account.position(), Account.AVERAGE_COST, "");
        client.send(72, 1, fields.get(2));
    }

    private void accountSummary(List<String> fields, Account account) {
        List<String> wanted = List.of(fields.get(4).split(","));
        account.values().forEach((key, value) -> {
            if (wanted.contains(key)) {
                client.send(63, 1, fields.get(2), account.number(), key, value, "USD");
            }
        });
        client.send(64, 1, fields.get(2));
    }

    private void accountUpdatesMulti(List<String> fields, Account account) {
        account.values().forEach((key, value) ->
                client.send(73, 1, fields.get(2), account.number(), "", key, value, "USD"));
        client.send(74, 1, fields.get(2));
    }
}
