import Primitives
import VenueTestSupport
import VenueWeb

@testable import MassiveSimulator

/// A simulated Massive in memory with its clients.
typealias Bench = VenueBench<MassiveSite>

extension VenueBench where Site == MassiveSite {
    static let auth = #"{"action":"auth","params":"test-key"}"#
    static let keys = ["Authorization": "Bearer test-key", "Host": "127.0.0.1:9643"]

    init(
        symbols: [String] = ["AAPL", "KO"], rate: Int = 40, seed: UInt64 = 1,
        rarities: (inout MassiveRarities) -> Void = { _ in },
        settings change: (inout MassiveSettings) -> Void = { _ in }
    ) {
        var settings = MassiveSettings()
        settings.web.keepsTruth = true
        settings.web.keepsMarketLog = true
        settings.web.pingSeconds = 3_600
        change(&settings)
        var usual = MassiveRarities()
        rarities(&usual)
        self.init(
            MassiveSite(
                settings, symbols: symbols.compactMap { MassiveSymbol($0) }, seed: seed, rate: rate,
                rarities: usual, start: Self.start))
    }

    /// Connects and authenticates. Returns the connection's number.
    mutating func client() throws -> Int {
        let number = try webSocket("/stocks")
        send(Self.auth, to: number)
        _ = take(number)
        return number
    }

    /// Subscribes, lets time pass, and returns all messages of the market.
    mutating func run(_ params: String, seconds: Int) throws -> [JSONValue] {
        let number = try client()
        _ = ask(#"{"action":"subscribe","params":"\#(params)"}"#, of: number)
        var messages: [JSONValue] = []
        for _ in 0..<seconds * 4 {
            pass(milliseconds: 250)
            messages += try self.messages(number)
        }
        return messages
    }

    /// Returns the results of all pages, which the links lead to.
    mutating func pages(_ path: String) throws -> [JSONValue] {
        var results: [JSONValue] = []
        var next = path
        for _ in 0..<1_000 {
            let answer = try get(next, headers: Self.keys)
            guard answer.head.hasPrefix("HTTP/1.1 200"), answer.body["status"]?.string == "OK"
            else { throw Refusal(text: answer.head) }
            results += answer.body["results"]?.array ?? []
            guard let link = answer.body["next_url"]?.string else { return results }
            next = String(link.dropFirst("http://127.0.0.1:9643".count))
        }
        throw Refusal(text: "too many pages")
    }

    mutating func log() throws -> [JSONValue] {
        try Self.lines(venue.takeMarketLog())
    }
}

/// A page that did not come.
struct Refusal: Error {
    let text: String
}

extension [JSONValue] {
    /// The lines of a log, or the messages, of one kind.
    func of(_ kind: String) -> [JSONValue] {
        filter { $0["kind"]?.string == kind || $0["ev"]?.string == kind }
    }
}
