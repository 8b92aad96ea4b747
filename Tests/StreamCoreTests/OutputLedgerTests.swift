import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite struct OutputLedgerTests {
    private struct Output {
        let bar: Bar
        let pair: SourceSymbol
        let series: SeriesName
    }

    private static func outputs(seed: UInt64 = 3) throws -> [Output] {
        var run = try MachineRun(["1s", "1m"])
        run.feed(RandomTape(seed: seed).events)
        return run.closed.map { bar in
            Output(
                bar: bar, pair: run.machine.symbols.pair(at: bar.symbol),
                series: run.machine.series.all[Int(bar.series)].name)
        }
    }

    /// The content of a tape of bars: content and running checksum, by ordinal.
    private struct OutputTape: Equatable {
        var content: [[UInt8]] = []
        var checksums: [UInt64] = []

        var published: OutputLedger.End? {
            checksums.last.map { .init(ordinal: UInt64(checksums.count), checksum: $0) }
        }

        mutating func publish(_ output: Output, ordinal: UInt64, checksum: UInt64) {
            #expect(ordinal == UInt64(content.count) + OutputLedger.firstOrdinal)
            var bytes: [UInt8] = []
            output.bar.appendCanonicalBytes(
                pair: output.pair, series: output.series, to: &bytes)
            content.append(bytes)
            checksums.append(checksum)
        }
    }

    /// Publishes until the tape holds `stop` outputs. Returns false if something diverged.
    private static func run(
        _ outputs: [Output], onto tape: inout OutputTape, until stop: Int
    ) -> Bool {
        var ledger = OutputLedger(published: tape.published)
        for output in outputs {
            guard tape.content.count < stop else { return true }
            switch ledger.record(output.bar, of: output.pair, series: output.series) {
            case .new(let ordinal):
                tape.publish(output, ordinal: ordinal, checksum: ledger.checksum)
            case .suppressed(let ordinal): #expect(ordinal <= UInt64(tape.content.count))
            case .diverged: return false
            }
        }
        #expect(ledger.isPastPublished)
        return true
    }

    @Test("a crash behind any output leaves the same tape")
    func everyCrash() throws {
        let outputs = try Self.outputs()
        #expect(outputs.count > 20)
        var whole = OutputTape()
        #expect(Self.run(outputs, onto: &whole, until: .max))
        #expect(whole.content.count == outputs.count)
        for first in 0...outputs.count {
            var tape = OutputTape()
            for stop in [first, min(first + 2, outputs.count), Int.max] {
                #expect(Self.run(outputs, onto: &tape, until: stop))
            }
            let isSame = tape == whole
            #expect(isSame, "crash behind output \(first)")
        }
    }

    @Test("a run that differs anywhere before is stopped at the last standing ordinal")
    func divergence() throws {
        let outputs = try Self.outputs()
        var tape = OutputTape()
        #expect(Self.run(outputs, onto: &tape, until: 10))
        for changed in 0..<10 {
            var other = outputs
            var bar = outputs[changed].bar
            bar.volume += 1
            other[changed] = Output(
                bar: bar, pair: outputs[changed].pair, series: outputs[changed].series)
            var ledger = OutputLedger(published: tape.published)
            for index in 0..<12 {
                let output = other[index]
                let verdict = ledger.record(
                    output.bar, of: output.pair, series: output.series)
                if index < 9 {
                    #expect(verdict == .suppressed(ordinal: UInt64(index + 1)))
                } else if case .diverged(let ordinal, let expected, let found) = verdict {
                    #expect(ordinal == 10)
                    #expect(expected == tape.checksums[9] && found != expected)
                } else {
                    Issue.record("change \(changed), output \(index): \(verdict)")
                }
            }
            #expect(!ledger.isPastPublished)
        }
    }

    @Test("a checkpoint goes on behind its output, and notices a tape that was cut or replaced")
    func checkpoint() throws {
        let outputs = try Self.outputs()
        var tape = OutputTape()
        #expect(Self.run(outputs, onto: &tape, until: 10))
        func ledger(done ordinal: Int, _ published: OutputLedger.End?) -> OutputLedger {
            OutputLedger(
                after: .init(ordinal: UInt64(ordinal), checksum: tape.checksums[ordinal - 1]),
                published: published)
        }
        var good = ledger(done: 7, tape.published)
        #expect(good.nextOrdinal == 8 && !good.isPastPublished)
        for index in 7..<11 {
            let verdict = good.record(
                outputs[index].bar, of: outputs[index].pair, series: outputs[index].series)
            let ordinal = UInt64(index + 1)
            #expect(
                verdict == (index < 10 ? .suppressed(ordinal: ordinal) : .new(ordinal: ordinal)))
        }
        #expect(ledger(done: 10, tape.published).isPastPublished)
        let cut = OutputLedger.End(ordinal: 9, checksum: tape.checksums[8])
        let replaced = OutputLedger.End(ordinal: 10, checksum: 1)
        for published in [cut, replaced, nil] {
            var bad = ledger(done: 10, published)
            #expect(!bad.isPastPublished)
            let verdict = bad.record(
                outputs[10].bar, of: outputs[10].pair, series: outputs[10].series)
            guard case .diverged = verdict else {
                Issue.record("\(String(describing: published)) gave \(verdict)")
                continue
            }
        }
    }

    @Test("the canonical bytes depend on every field and on nothing else")
    func canonicalBytes() throws {
        let symbol = SourceSymbol(try symbolName("AAPL"), of: try sourceName("ib"))
        let series = try #require(SeriesName("1s"))
        func bytes(_ bar: Bar, _ pair: SourceSymbol, _ series: SeriesName) -> [UInt8] {
            var bytes: [UInt8] = []
            bar.appendCanonicalBytes(pair: pair, series: series, to: &bytes)
            return bytes
        }
        let zero = Timestamp(nanoseconds: 0)
        let bar = Bar(symbol: 0, series: 0, openTime: zero, closeTime: zero)
        let changes: [(inout Bar) -> Void] = [
            { $0.flags = .partial }, { $0.reason = 1 }, { $0.generation = 1 },
            { $0.openTime.nanoseconds = 1 }, { $0.closeTime.nanoseconds = 1 }, { $0.number = 1 },
            { $0.open.raw = 1 }, { $0.high.raw = 1 }, { $0.low.raw = 1 }, { $0.close.raw = 1 },
            { $0.vwap.raw = 1 }, { $0.trades = 1 }, { $0.excluded.condition = 1 },
            { $0.excluded.oddLot = 1 }, { $0.excluded.filter = 1 }, { $0.excluded.undefined = 1 },
            { $0.volume = 1 }, { $0.volume = 1 << 64 }, { $0.notional = -1 },
            { $0.notional = 1 << 64 },
        ]
        let plain = bytes(bar, symbol, series)
        #expect(plain.count == Bar.canonicalFixedBytes + 4 + 2 + 2)
        var seen: Set<[UInt8]> = [plain]
        for change in changes {
            var other = bar
            change(&other)
            #expect(seen.insert(bytes(other, symbol, series)).inserted)
        }
        var elsewhere = bar
        elsewhere.symbol = 9
        elsewhere.series = 3
        #expect(bytes(elsewhere, symbol, series) == plain)
        let longer = SourceSymbol(try symbolName("AAPL1"), of: symbol.source)
        let other = SourceSymbol(symbol.symbol, of: try sourceName("ic"))
        #expect(bytes(bar, other, series) != plain)
        let shorter = try #require(SeriesName("s"))
        #expect(bytes(bar, longer, shorter) != plain)
    }

    @Test(
        "the canonical bytes are laid out as they were from the day on which they name the source")
    func golden() throws {
        var bar = Bar(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: 0x0102),
            closeTime: Timestamp(nanoseconds: 0x0304))
        bar.flags = .final
        bar.reason = 5
        bar.generation = 6
        bar.volume = -2
        var bytes: [UInt8] = []
        bar.appendCanonicalBytes(
            pair: SourceSymbol(try symbolName("A"), of: try sourceName("ib")),
            series: try #require(SeriesName("1s")), to: &bytes)
        let head: [UInt8] = [
            1, 0, 0x41, 2, 0, 0x69, 0x62, 2, 0, 0x31, 0x73, 2, 0, 5, 0, 6, 0, 0, 0, 2, 1, 0, 0, 0,
            0, 0, 0, 4, 3,
        ]
        #expect(Array(bytes.prefix(head.count)) == head)
        let tail: [UInt8] =
            [0xfe] + [UInt8](repeating: 0xff, count: 15) + [UInt8](repeating: 0, count: 16)
        #expect(Array(bytes.suffix(32)) == tail)
        #expect(bytes.withRawSpan { Checksum.of($0) } == 135_698_200_714_051_853)
    }
}
