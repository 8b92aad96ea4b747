import MarketModel
import NatsTransport
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("Gaps that outlive a gateway")
struct InheritedGapTests {
    private func script(_ namespace: String) throws -> FeedScript {
        FeedScript(tape: try TestTape(NatsServer.shared(), namespace: namespace))
    }

    private func bucket(_ script: FeedScript) throws -> KeyValueBucket {
        let client = script.tape.client
        return try #require(try client.jetStream.bucketAsFound(client.names.sourceBucket))
    }

    /// Leaves gaps of two instruments: one is half filled, the other one still lasts.
    private func leave(_ script: FeedScript, _ tenure: FeedScript.Tenure) {
        script.send(
            [
                script.subscription(0, 5), script.subscription(1, 5), script.trade(0, 6),
                script.gap(0, 10, 20), script.gap(0, 10, 20, .filling),
                script.trade(0, 12, .backfilled), script.gap(0, 10, 14, .filled),
                script.trade(0, 14, .backfilled), script.trade(0, 15, .backfilled),
                script.gap(1, 12, nil),
            ], tenure, floor: 20)
        #expect(script.hasRecords(8))
    }

    @Test("killed while a gap is filled in, it is followed by one whose provider fills the rest")
    func killed() throws {
        let script = try script("gap1")
        let first = try script.open(["AAPL", "SPY"])
        #expect(first.began.order.gaps.isEmpty)
        leave(script, first)
        try first.kill()
        let second = try script.open(["AAPL", "SPY", "MSFT"])
        #expect(script.shown(second.began.order.gaps) == ["1 12-", "0 16-20"])
        // The third instrument was not requested before.
        #expect(second.began.order.reached.map(\.isDefined) == [true, true, false])
        #expect(
            try eventually {
                let gaps = try script.feedOnTape().gaps
                return gaps.contains("AAPL filled 14-15") && gaps.contains("AAPL abandoned 15-16")
            })
        script.send(
            [
                script.trade(0, 17, .backfilled), script.gap(0, 16, 20, .filled),
                script.gap(1, 12, 30), script.gap(1, 12, 30, .abandoned),
            ], second, floor: 30)
        // The two have a partition each, and so a packet each.
        #expect(
            try eventually {
                let gaps = try script.feedOnTape().gaps
                return gaps.contains("SPY abandoned 12-30") && gaps.contains("AAPL filled 16-20")
            })
        try second.kill()
        let third = try script.open(["AAPL", "SPY"])
        #expect(third.began.order.gaps.isEmpty)
        #expect(try third.running.stop() == .success)
    }

    @Test("what was stored is enough, and so is the tape alone")
    func stored() throws {
        let script = try script("gap2")
        let first = try script.open(["AAPL", "SPY"])
        leave(script, first)
        let wanted = ["1 12-", "0 16-20"]
        let bucket = try bucket(script)
        let spy = try #require(Symbol("SPY"))
        let key = "gateway.feed.gaps.\(script.tape.names.partition(of: spy).number)"
        #expect(
            try eventually {
                guard let value = try bucket.get(key)?.value else { return false }
                return try PartitionLedger(json: value).missing.count == 1
            })
        try first.kill()
        let second = try script.open(["AAPL", "SPY"])
        #expect(script.shown(second.began.order.gaps) == wanted)
        try second.kill()
        // A damaged ledger is rebuilt from the tape, and so is one that is not stored.
        let entry = try #require(try bucket.get(key))
        let outcome = try bucket.put(key, [1], expected: entry.revision)
        guard case .stored = outcome else {
            Issue.record("\(outcome)")
            return
        }
        let third = try script.open(["AAPL", "SPY"])
        #expect(script.shown(third.began.order.gaps) == wanted)
        #expect(eventually { third.running.log.count(of: "gateway.gaps_damaged") == 1 })
        #expect(third.running.log.count(of: "gateway.gaps_unknown") == 0)
        try third.kill()
        try newerRelease(script, bucket, key, wanted)
        for key in try bucket.keys(matching: "gateway.feed.gaps.*").keys {
            _ = try bucket.delete(key)
        }
        let fourth = try script.open(["AAPL", "SPY"])
        #expect(script.shown(fourth.began.order.gaps) == wanted)
        #expect(try fourth.running.stop() == .success)
    }

    /// What a newer release stored is made again from the tape, but it stays stored.
    private func newerRelease(
        _ script: FeedScript, _ bucket: KeyValueBucket, _ key: String, _ wanted: [String]
    ) throws {
        let newer = Array(#"{"v":2}"#.utf8)
        let entry = try #require(try bucket.get(key))
        _ = try bucket.put(key, newer, expected: entry.revision)
        let all = try bucket.keys(matching: "gateway.feed.gaps.*").keys
        let other = try #require(all.first { $0 != key })
        let before = try #require(try bucket.get(other)).revision
        let gateway = try script.open(["AAPL", "SPY"])
        #expect(script.shown(gateway.began.order.gaps) == wanted)
        // All partitions are stored together.
        #expect(try eventually { try bucket.get(other).map { $0.revision > before } ?? false })
        #expect(gateway.running.log.contains("cannot be read and is left alone"))
        #expect(try bucket.get(key)?.value == newer)
        try gateway.kill()
    }

    @Test("what nobody asks for any more is given up, and does not come back with it")
    func notAsked() throws {
        let script = try script("gap3")
        let first = try script.open(["AAPL", "SPY"])
        leave(script, first)
        try first.kill()
        let second = try script.open(["SPY"], feeds: .quotes)
        #expect(second.began.order.gaps.isEmpty)
        #expect(
            try eventually {
                try script.feedOnTape().details.filter { $0 == GapHandOver.notAsked }.count == 1
            })
        let found = try script.feedOnTape()
        #expect(found.gaps.contains("AAPL abandoned 16-20"))
        // The gap lasts and its kind is no longer requested: it ends and is given up.
        #expect(found.gaps.contains { $0.hasPrefix("SPY abandoned 12-") })
        #expect(found.details.contains(GapHandOver.otherKinds))
        #expect(try second.running.stop() == .success)
        let third = try script.open(["AAPL", "SPY"])
        #expect(third.began.order.gaps.isEmpty)
        // The instrument was not requested meanwhile, so none of its data are missing.
        #expect(third.began.order.reached.map(\.isDefined) == [false, true])
        #expect(try third.running.stop() == .success)
    }

    @Test("packets that were purged before anything was noted: it is told, and nothing is sure")
    func hole() throws {
        let script = try script("gap4")
        let first = try script.open(["AAPL", "SPY"])
        leave(script, first)
        script.send([script.trade(0, 30), script.trade(1, 30)], first, floor: 30)
        #expect(script.hasRecords(10))
        try first.kill()
        let bucket = try bucket(script)
        for key in try bucket.keys(matching: "gateway.feed.gaps.*").keys {
            _ = try bucket.delete(key)
        }
        let names = script.tape.names
        let source = try #require(SourceName("feed"))
        for symbol in ["AAPL", "SPY"].compactMap({ Symbol($0) }) {
            let partition = names.partition(of: symbol)
            let stream = names.tickStream(of: partition)
            let last = try #require(
                try script.tape.client.lastPacket(
                    stream: stream, subject: names.ticks(partition, source)))
            _ = try script.tape.client.jetStream.purge(
                stream: stream, subject: names.ticks(partition, source),
                below: last.last.sequence)
        }
        let second = try script.open(["AAPL", "SPY"])
        #expect(eventually { second.running.log.count(of: "gateway.gaps_unknown") == 1 })
        #expect(second.began.order.gaps.isEmpty)
        #expect(second.began.order.reached.map(\.isDefined) == [true, true])
        #expect(try second.running.stop() == .success)
    }

    @Test("of too many gaps the oldest are given up on the tape, and told of")
    func tooMany() throws {
        let script = try script("gap5")
        let first = try script.open(["AAPL"])
        let count = ProviderLimits.gapsMax + 5
        script.send(
            [script.subscription(0, 1)]
                + (0..<count).map { script.gap(0, Int64($0) * 2, Int64($0) * 2 + 1) },
            first, floor: 1)
        #expect(
            try eventually {
                try script.feedOnTape().gaps.filter { $0.hasPrefix("AAPL abandoned") }.count == 5
            })
        let oldest = [0, 2, 4, 6, 8].map { "AAPL abandoned \($0)-\($0 + 1)" }
        #expect(try script.feedOnTape().gaps.suffix(5) == oldest[...])
        #expect(eventually { first.running.log.count(of: "gateway.gaps_given_up") == 1 })
        let gauge = #"mds_gateway_gaps{source="feed"}"#
        let all = Double(ProviderLimits.gapsMax)
        #expect(eventually { first.gateway.service.metric(gauge) == all })
        #expect(
            try eventually {
                try first.gateway.status.at("gaps", "open")?.int == ProviderLimits.gapsMax
            })
        try first.kill()
        let second = try script.open(["AAPL"])
        #expect(second.began.order.gaps.count == ProviderLimits.gapsMax)
        #expect(script.shown(second.began.order.gaps).first == "0 10-11")
        #expect(try second.running.stop() == .success)
    }

    // MARK: the end

    @Test("stopped in order, what the provider says at its end is on the tape, and goes on from it")
    func lastWords() throws {
        let script = try script("gap6")
        let first = try script.open(["AAPL"])
        script.send([script.subscription(0, 5), script.trade(0, 6)], first, floor: 6)
        #expect(script.hasRecords(1))
        script.log.lastWords.withLock {
            $0 = [script.gap(0, 7, nil), script.subscription(0, 7, .stop)]
        }
        #expect(try first.running.stop() == .success)
        let found = try script.feedOnTape()
        #expect(found.gaps == ["AAPL open 7-"] && found.stops == ["AAPL"])
        #expect(first.running.log.count(of: "gateway.provider_late") == 0)
        let second = try script.open(["AAPL"])
        #expect(script.shown(second.began.order.gaps) == ["0 7-"])
        // Since then the gap is on record.
        #expect(second.began.order.reached == [.undefined])
        #expect(try second.running.stop() == .success)
        #expect(script.log.stops == 2)
    }

    @Test("a provider that does not end in time is told of, and holds nobody up")
    func hanging() throws {
        let script = try script("gap7")
        let first = try script.open(["AAPL"])
        script.send([script.subscription(0, 5), script.trade(0, 6)], first, floor: 6)
        #expect(script.hasRecords(1))
        script.log.isHanging.withLock { $0 = true }
        script.log.lastWords.withLock { $0 = [script.gap(0, 7, nil)] }
        #expect(try first.running.stop() == .success)
        #expect(first.running.log.count(of: "gateway.provider_late") == 1)
        #expect(try script.feedOnTape().gaps == ["AAPL open 7-"])
    }
}
