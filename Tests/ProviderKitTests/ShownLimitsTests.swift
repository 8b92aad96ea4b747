import MarketModel
import Primitives
import ServiceRuntime
import Testing

@testable import ProviderKit

@Suite("Limits of a provider on the page and in metrics")
struct ShownLimitsTests {
    private static let second: Int64 = 1_000_000_000
    private static let now = Moment(
        wall: Timestamp(nanoseconds: 1_700_000_000 * second),
        monotonic: MonotonicTime(nanoseconds: 5 * second))

    private static let limits = [
        ProviderLimit(
            .weight, used: 75, max: 3_000, waiting: 4,
            until: now.monotonic + 20 * second, reason: "429: too many requests"),
        ProviderLimit(.symbols, used: 3, max: nil),
    ]

    private func rows(_ metrics: MetricRegistry) -> [String] {
        String(decoding: metrics.render(), as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix("mds_provider_limit") }.map(String.init).sorted()
    }

    private func page(_ shown: ShownLimits) -> String {
        JSONWriter.made { shown.write(into: &$0) }.text
    }

    @Test("the page has each limit, with a time of the calendar")
    func page() throws {
        let shown = ShownLimits(
            MetricRegistry(), source: try #require(SourceName("coins")), provider: "binance")
        #expect(page(shown) == "{}")
        shown.show(Self.limits, Self.now)
        #expect(
            page(shown)
                == #"{"limits":[{"limit":"weight","used":75,"max":3000,"waiting":4,"#
                + #""until":"2023-11-14T22:13:40.000000000Z","#
                + #""reason":"429: too many requests"},"#
                + #"{"limit":"symbols","used":3,"max":null,"waiting":0,"until":null,"reason":""}]}"#
        )
        shown.remove()
        #expect(page(shown) == "{}")
    }

    @Test("the metrics have one name for all providers, and no row for what is not known")
    func metrics() throws {
        let metrics = MetricRegistry()
        let shown = ShownLimits(
            metrics, source: try #require(SourceName("coins")), provider: "binance")
        shown.show(Self.limits, Self.now)
        func labels(_ limit: String) -> String {
            "{limit=\"\(limit)\",provider=\"binance\",source=\"coins\"}"
        }
        #expect(
            rows(metrics) == [
                "mds_provider_limit_max\(labels("weight")) 3000",
                "mds_provider_limit_until_timestamp_seconds\(labels("weight")) 1700000020",
                "mds_provider_limit_used\(labels("symbols")) 3",
                "mds_provider_limit_used\(labels("weight")) 75",
                "mds_provider_limit_waiting\(labels("symbols")) 0",
                "mds_provider_limit_waiting\(labels("weight")) 4",
            ])
        shown.show([ProviderLimit(.weight, used: 0, max: 3_000)], Self.now)
        #expect(!rows(metrics).contains { $0.contains("_until_") })
        shown.remove()
        #expect(rows(metrics).isEmpty)
    }
}
