import MarketModel
import NatsTransport
import Primitives
import Synchronization
import TapeProtocol
import TestSupport
import Testing

@testable import TapeTransport
@testable import TapeTransportTests

/// The newest ordinals that sources publish.
@Suite struct HeadTests {
    private let second: Int64 = 1_000_000_000

    private func source(_ name: String = "sim") throws -> SourceName {
        try #require(SourceName(name))
    }

    private func head(_ partition: Int, _ last: UInt64, epoch: UInt64 = 1) -> TapeHead {
        TapeHead(
            partition: Partition(partition), epoch: epoch, lastOrdinal: last, sequence: last * 3)
    }

    // MARK: messages

    @Test("heads survive their way, in as many messages as they take")
    func roundTrip() throws {
        let many = (0..<4_096).map { head($0, UInt64($0)) }
        for heads in [[], [head(7, 1)], many] {
            let messages = HeadMessage.messages(try source(), .ticks, heads)
            #expect(messages.allSatisfy { $0.count <= HeadMessage.bytesMax + 96 })
            let told = try messages.map { try HeadMessage(json: $0) }
            #expect(told.flatMap(\.heads) == heads)
            #expect(told.allSatisfy { $0.source.text == "sim" && $0.input == .ticks })
        }
        #expect(HeadMessage.messages(try source(), .bars, many).count > 5)
        let text = String(
            decoding: HeadMessage.messages(try source(), .bars, [head(7, 2)])[0], as: UTF8.self)
        #expect(
            text == """
                {"v":1,"source":"sim","input":"bars","heads":\
                [{"partition":7,"epoch":1,"last_ordinal":2,"sequence":6}]}
                """)
    }

    @Test(
        "what nobody can have told is refused as a whole",
        arguments: [
            "", "{}", #"{"v":1,"source":"sim","heads":[]}"#,
            #"{"v":2,"source":"sim","input":"ticks","heads":[]}"#,
            #"{"v":1,"source":"S","input":"ticks","heads":[]}"#,
            #"{"v":1,"source":"sim","input":"news","heads":[]}"#,
            #"{"v":1,"source":"sim","input":"ticks","heads":[{"partition":1,"epoch":1,"#
                + #""sequence":1}]}"#,
            #"{"v":1,"source":"sim","input":"ticks","heads":[{"partition":9999,"epoch":1,"#
                + #""last_ordinal":1,"sequence":1}]}"#,
            #"{"v":1,"source":"sim","input":"ticks","heads":[{"partition":1,"epoch":1,"#
                + #""last_ordinal":9223372036854775807,"sequence":1}]}"#,
        ])
    func malformed(text: String) {
        #expect(throws: VersionedJSON.Refusal.self) { try HeadMessage(json: Array(text.utf8)) }
    }

    // MARK: the book

    private func store(_ heads: [(Int64, TapeHead)]) throws -> HeadStore {
        var store = HeadStore()
        for (now, head) in heads {
            store.receive(
                HeadMessage(source: try source(), input: .ticks, heads: [head]), now: .at(now))
        }
        return store
    }

    private func entry(_ store: HeadStore) throws -> HeadStore.Entry {
        let key = HeadStore.Key(input: .ticks, partition: Partition(1), source: try source())
        return try #require(store.entries[key])
    }

    @Test("when an ordinal was passed is known from what was heard since, and not before")
    func passed() throws {
        let store = try store(
            [(0, 10), (1, 10), (2, 15), (3, 15), (9, 16)].map { ($0 * second, head(1, $1)) })
        let entry = try entry(store)
        #expect(entry.passed(9) == nil, "it stood already")
        #expect(entry.passed(10) == .at(2 * second) && entry.passed(14) == .at(2 * second))
        #expect(entry.passed(15) == .at(9 * second))
        #expect(entry.passed(16) == nil && entry.passed(99) == nil, "nothing is behind it")
        #expect(entry.head.lastOrdinal == 16 && entry.receivedAt == .at(9 * second))
        #expect(store.receivedAt(.ticks) == .at(9 * second) && store.receivedAt(.bars) == nil)
    }

    @Test("the history is bounded, and the newest of it stays")
    func bounded() throws {
        let count = UInt64(HeadStore.samplesMax * 3)
        let entry = try entry(
            try store((0...count).map { (Int64($0) * second, head(1, $0)) }))
        #expect(entry.samples.count <= HeadStore.samplesMax)
        #expect(entry.passed(0) == nil)
        for ordinal in (count - UInt64(HeadStore.samplesMax / 2) + 1)..<count {
            #expect(entry.passed(ordinal) == .at(Int64(ordinal + 1) * second))
        }
    }

    @Test("the rate is that of the last half minute, without what was there before listening")
    func rate() throws {
        func rate(_ heads: [(Int64, UInt64)], at now: Int64) throws -> Double? {
            let store = try store(heads.map { ($0.0 * second, head(1, $0.1)) })
            #expect(store.rate(of: [.bars], now: .at(now * second)) == nil)
            return store.rate(of: [.ticks, .bars], now: .at(now * second))
        }
        // A listener that is new takes what stands there for nothing, however much it is.
        #expect(try rate([(0, 1_000_000)], at: 4) == nil)
        #expect(try rate([(0, 1_000_000)], at: 5) == 0)
        #expect(try rate([(0, 1_000_000), (5, 1_000_500)], at: 5) == 100)
        // After a pause, and long after the last one.
        #expect(try rate([(0, 10), (300, 610)], at: 300) == 20)
        #expect(try rate([(0, 10), (10, 610)], at: 39) == 20)
        #expect(try rate([(0, 10), (10, 610)], at: 40) == 0)
        // Another tape begins anew.
        #expect(try rate([(0, 500), (10, 7), (20, 57)], at: 20) == 5)
    }

    @Test("a source that is new, or counts from anew, adds no more than it publishes")
    func rateOfMany() throws {
        var store = try store([(0, head(1, 0)), (10 * second, head(1, 1_000))])
        let late = HeadMessage(
            source: try source("late"), input: .ticks, heads: [head(1, 9_000_000)])
        store.receive(late, now: .at(9 * second))
        #expect(store.rate(of: [.ticks], now: .at(10 * second)) == 100)
        #expect(store.rate(of: [.ticks], now: .at(20 * second)) == 50)
    }

    @Test("a predecessor that wakes up is not believed, unless nobody else was heard for long")
    func predecessor() throws {
        let heard: [(Int64, TapeHead)] = [
            (0, head(1, 100, epoch: 2)), (second, head(1, 50, epoch: 1)),
        ]
        #expect(try entry(store(heard)).head.lastOrdinal == 100)
        let anew = (0 + HeadStore.reignNanoseconds, head(1, 5, epoch: 1))
        let entry = try entry(store(heard + [anew]))
        #expect(entry.head.lastOrdinal == 5 && entry.samples.count == 1)
        #expect(entry.passed(4) == nil)
    }

    @Test("more heads than there can be are not taken in")
    func tooMany() throws {
        var store = HeadStore()
        for number in 0..<HeadStore.headsMax / 4_096 {
            let heads = (0..<4_096).map { head($0, 1) }
            let message = HeadMessage(
                source: try source("s-\(number)"), input: .ticks, heads: heads)
            let isIn = store.receive(message, now: .at(0))
            #expect(isIn)
        }
        let message = HeadMessage(source: try source(), input: .ticks, heads: [head(1, 1)])
        let isIn = store.receive(message, now: .at(0))
        #expect(!isIn && store.entries.count == HeadStore.headsMax)
    }

    // MARK: over NATS

    @Test("told once a second, heard with the listener's own clock; nonsense is told and ignored")
    func toldAndHeard() throws {
        let tape = try TapeServer()
        let (gateway, other) = (try tape.rig(), try tape.rig())
        let listener = try HeadListener(other.client) { .at(42) }
        try other.client.connection.flush(timeout: patience)
        let reporter = HeadReporter(gateway.client, source: try source(), input: .ticks)
        for (now, last) in [(Int64(0), UInt64(1)), (second - 1, 2), (second, 3)] {
            reporter.report(now: .at(now)) { [head(1, last)] }
        }
        #expect(
            eventually { listener.store.entries.values.first?.head.lastOrdinal == 3 })
        #expect(try entry(listener.store).samples.map(\.lastOrdinal) == [1, 3])
        #expect(listener.store.receivedAt(.ticks) == .at(42))
        try gateway.publish("nonsense", to: tape.names.heads(source()))
        #expect(eventually { other.log.count("tape.heads.not_understood") == 1 })
        gateway.client.close()
        reporter.report(now: .at(2 * second)) { [head(1, 4)] }
        #expect(gateway.log.count("tape.heads.untold") == 1)
        #expect(throws: TapeError.self) { try HeadListener(gateway.client) }
    }
}
