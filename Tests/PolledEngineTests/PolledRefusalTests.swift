import EngineKit
import Primitives
import MarketModel
import Testing

@testable import PolledEngine

/// What the documentation of the services says that they refuse, and what a person is told of it.
@Suite struct PolledRefusalTests {
    private static func fred(_ code: Int, _ text: String) -> String {
        #"{"error_code":\#(code),"error_message":"\#(text)"}"#
    }

    private static func coins(_ code: Int, _ text: String) -> String {
        #"{"status":{"error_code":\#(code),"error_message":"\#(text)"}}"#
    }

    private static let unregistered =
        "Bad Request.  The value for variable api_key is not registered."

    @Test(
        "each documented refusal is one line with the service's words and what to do",
        arguments: [
            (.fred, 400, fred(400, unregistered), .refused, "FRED_API_KEY_FILE"),
            (
                .fred, 400, fred(400, "Bad Request.  Variable api_key is not set."), .refused,
                "FRED_API_KEY_FILE"
            ),
            (
                .fred, 400, fred(400, "Bad Request.  The series does not exist."), .good,
                "fred.stlouisfed.org"
            ),
            (.fred, 404, fred(404, "Not Found"), .good, "fred.stlouisfed.org"),
            (.fred, 403, fred(403, "Forbidden"), .refused, "FRED_API_KEY_FILE"),
            (.fred, 423, fred(423, "Locked"), .failing, "FRED_EVERY"),
            (.fred, 429, fred(429, "Too Many Requests.  Exceeded"), .failing, "FRED_EVERY"),
            (.fred, 500, fred(500, "Internal Server Error"), .failing, "wait"),
            (.coingecko, 400, #"{"error":"Missing parameter"}"#, .failing, "check the symbol"),
            (.coingecko, 401, coins(10_002, "API Key Missing"), .refused, "COINGECKO_API_KEY_FILE"),
            (
                .coingecko, 401, #"{"error":\#(coins(10_002, "API Key Missing"))}"#, .refused,
                "COINGECKO_API_KEY_FILE"
            ),
            (.coingecko, 401, coins(10_005, "limited to PRO"), .refused, "choose a plan"),
            (.coingecko, 400, coins(10_010, "Invalid API Key"), .refused, "pro-api.coingecko"),
            (.coingecko, 400, coins(10_011, "Invalid API Key"), .refused, "//api.coingecko"),
            (.coingecko, 403, coins(403, "add a User-Agent"), .failing, "GATEWAY_USER_AGENT"),
            (.coingecko, 403, "<html>Error 1020</html>", .failing, "a proxy between"),
            (.coingecko, 404, #"{"error":"coin not found"}"#, .failing, "check the address"),
            (.coingecko, 429, coins(429, "exceeded the Rate Limit"), .failing, "COINGECKO_EVERY"),
            (.coingecko, 429, "Throttled", .failing, "COINGECKO_API_KEY_FILE"),
            (.coingecko, 503, "{}", .failing, "wait"),
            (.coingecko, 200, "{}", .good, "write its name like bitcoin"),
            (.alternativeMe, 429, "Too many requests", .failing, "ALTERNATIVE_EVERY"),
            (.alternativeMe, 404, "<html>", .failing, "check the address"),
            (.alternativeMe, 502, "<html>", .failing, "wait"),
            (
                .alternativeMe, 200, #"{"data":[],"metadata":{"error":"no data"}}"#, .failing,
                "check the address"
            ),
        ] as [(PolledTable, Int, String, PolledState, String)])
    func refusal(
        table: PolledTable, status: Int, body: String, state: PolledState, advice: String
    ) throws {
        var bench = PolledBench(table)
        let series = [.fred: "DGS10", .coingecko: "bitcoin"][table] ?? "fng"
        try bench.begin(series)
        bench.answer(try bench.due(), body, status: status)
        let present = bench.engine.status
        #expect(present.state == state)
        let feed = present.feeds[0]
        #expect((feed.state == .refused) == (state != .failing))
        let reason = feed.reason.isEmpty ? present.reason : feed.reason
        #expect(reason.contains(table.title) && !reason.contains("\n"), "\(reason)")
        if status != 200 { #expect(reason.contains("status \(status)"), "\(reason)") }
        #expect(reason.contains(advice), "\(reason)")
        #expect(state != .failing || present.failures == 1)
    }
}
