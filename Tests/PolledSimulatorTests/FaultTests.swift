import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import PolledSimulator

@Suite("Faults of requests, and of the services' clock")
struct FaultTests {
    private static let path = "/fng/?limit=2"

    private func tell(_ bench: inout Bench, _ command: String) {
        let answer = bench.venue.control(command, now: bench.now)
        #expect(answer == "ok", "\(command): \(answer)")
    }

    /// Asks, and returns the connection's number with what came.
    private func ask(_ bench: inout Bench) -> (number: Int, text: String) {
        let number = bench.connect("GET \(Self.path) HTTP/1.1\r\nHost: x\r\n\r\n")
        return (number, String(decoding: bench.take(number), as: UTF8.self))
    }

    @Test("a connection is closed instead of an answer, or in the middle of one")
    func cuts() throws {
        var bench = Bench()
        tell(&bench, "reset 1")
        let reset = ask(&bench)
        #expect(reset.text.isEmpty && bench.venue.isOver(reset.number))
        tell(&bench, "sever 1")
        let severed = ask(&bench)
        #expect(severed.text.hasPrefix("HTTP/1.1 200") && bench.venue.isOver(severed.number))
        let whole = ask(&bench)
        #expect(whole.text.hasPrefix(severed.text) && whole.text.count > severed.text.count)
        #expect(!bench.venue.isOver(whole.number))
    }

    @Test("no answer comes, and the connection stays open")
    func hung() throws {
        var bench = Bench()
        tell(&bench, "hang 1")
        let hung = ask(&bench)
        bench.pass(seconds: 100)
        #expect(bench.take(hung.number).isEmpty && !bench.venue.isOver(hung.number))
        #expect(ask(&bench).text.hasPrefix("HTTP/1.1 200"))
    }

    @Test("bytes that are no HTTP, JSON of another form, and a body that is too long")
    func bodies() throws {
        var bench = Bench()
        tell(&bench, "junk 1")
        let junk = bench.connect("GET \(Self.path) HTTP/1.1\r\nHost: x\r\n\r\n")
        let bytes = bench.take(junk)
        #expect(bytes.count == 1_000 && bytes.allSatisfy { $0 >= 0xf0 })
        #expect(bench.venue.isOver(junk))
        tell(&bench, "wrong 30")
        var texts: Set<String> = []
        for _ in 0..<30 { texts.insert(try bench.text(Self.path).body) }
        #expect(texts.count > 5 && texts.allSatisfy { (try? JSONValue.parse($0)) != nil })
        #expect(!texts.contains { $0.contains("timestamp") })
        tell(&bench, "swell 1 2000000")
        let swollen = try bench.text(Self.path).body
        #expect(swollen.utf8.count > 2_000_000)
        #expect(try bench.text(Self.path).body == swollen.trimmed)
    }

    @Test("numbers are demanded, and bounded")
    func numbers() {
        var bench = Bench()
        for wrong in ["reset", "sever", "hang 0", "junk x", "swell 1", "wrong 1 2", "speed"] {
            #expect(bench.venue.control(wrong, now: bench.now).hasPrefix("error"), "\(wrong)")
        }
    }

    @Test("the truth log has the values of whole answers, and the status of all")
    func truth() throws {
        var bench = Bench { $0.web.keepsTruth = true }
        _ = try bench.fred("series/observations", "series_id=DGS10&sort_order=desc&limit=2")
        _ = try bench.get("/api/v3/simple/price?ids=bitcoin,ghost&vs_currencies=usd")
        let days = try bench.get(Self.path).body["data"]?.array
        tell(&bench, "halve 1")
        _ = try bench.text(Self.path)
        tell(&bench, "fail 1 503")
        _ = try bench.text("/fred/series")
        let lines = try bench.venue.takeTruth().split(separator: UInt8(ascii: "\n"))
            .map { try JSONValue.parse(Array($0)) }
        #expect(lines.map { $0["status"]?.int } == [200, 200, 200, 200, 503])
        #expect(lines.map { $0["values"]?.array?.count } == [2, 1, 2, nil, nil])
        #expect(lines[0]["series"]?.string == "DGS10")
        #expect(lines[0]["answered"]?.int == Int(bench.now.nanoseconds))
        #expect(lines[1]["values"]?.array?.first?.array?.first?.string == "bitcoin")
        #expect(
            lines[2]["values"]?.array?.map { $0.array?.map(\.string) }
                == days?.map { [$0["timestamp"]?.string, $0["value"]?.string] })
        #expect(!lines.contains { "\($0)".contains(Bench.key) })
    }

    @Test("the clock steps ahead and back and stands still; a value is logged once")
    func clock() throws {
        var bench = Bench()
        func newest(_ bench: inout Bench) throws -> String? {
            try bench.get("/fng/").body["data"]?.array?.first?["timestamp"]?.string
        }
        _ = try bench.log("alternative.me")
        let first = try newest(&bench)
        tell(&bench, "ahead 172800")
        bench.pass(seconds: 1)
        let ahead = try newest(&bench)
        #expect(Int(ahead ?? "") == Int(first ?? "").map { $0 + 172_800 })
        tell(&bench, "back 172800")
        bench.pass(seconds: 1)
        #expect(try newest(&bench) == first)
        tell(&bench, "speed 86400")
        bench.pass(seconds: 3)
        let later = try newest(&bench)
        tell(&bench, "speed 0")
        bench.pass(seconds: 100)
        #expect(try newest(&bench) == later && later != first)
        let days = try bench.log("alternative.me").compactMap { $0["timestamp"]?.string }
        #expect(days.count == 3 && Set(days).count == 3 && days.last == later)
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
