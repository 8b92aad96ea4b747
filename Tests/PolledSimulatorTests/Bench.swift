import Primitives
import VenueTestSupport
import VenueWeb

@testable import PolledSimulator

/// The simulated services in memory. It is 2026-03-04, a Wednesday, at noon.
typealias Bench = VenueBench<PolledSite>

extension VenueBench where Site == PolledSite {
    static var key: String { PolledSettings().fredKey }

    init(settings change: (inout PolledSettings) -> Void = { _ in }) {
        var settings = PolledSettings()
        settings.web.keepsMarketLog = true
        settings.simulatedStart = ISOTime.parse("2026-03-04T12:00:00Z")
        change(&settings)
        self.init(PolledSite(settings, seed: 1, start: Self.start))
    }

    /// Returns FRED's answer in JSON.
    mutating func fred(_ path: String, _ query: String) throws -> JSONValue {
        try get("/fred/\(path)?file_type=json&api_key=\(Self.key)&\(query)").body
    }

    /// Lets real seconds pass.
    mutating func pass(seconds: Int64) { pass(milliseconds: seconds * 1_000) }

    /// Takes the lines of the log of one service.
    mutating func log(_ source: String) throws -> [JSONValue] {
        try venue.takeMarketLog().split(separator: UInt8(ascii: "\n"))
            .map { try JSONValue.parse(Array($0)) }.filter { $0["source"]?.string == source }
    }
}
