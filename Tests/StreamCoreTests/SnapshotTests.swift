import Foundation
import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

@Suite struct SnapshotTests {
    private let machine: Alone<BarMachine>

    init() throws { machine = try Samples.machine() }

    // MARK: damage

    @Test("any change of a snapshot is noticed by its checksum or its header")
    func damaged() throws {
        let all = machine.snapshot
        for index in all.indices {
            var other = all
            other[index] ^= 1 << UInt8(index % 8)
            #expect(throws: CheckpointError.self, "byte \(index)") {
                try Alone<BarMachine>(rule: machine.rule, restoring: other)
            }
        }
        let tables = machine.tables.state
        for bytes in [tables, machine.state] {
            for count in [0, 1, 15, 23, 24, bytes.count / 2, bytes.count - 1] {
                let short = Array(bytes.prefix(count))
                let error = bytes == tables ? error(ofTables: short) : error(of: short)
                guard case .truncated(_, count) = error else {
                    Issue.record("\(count) bytes were not found truncated")
                    continue
                }
            }
        }
        #expect(error(ofTables: tables + [0]) == .malformed(.end, offset: tables.count))
        let bytes = machine.state
        #expect(error(of: bytes + [0]) == .malformed(.end, offset: bytes.count))
    }

    /// Returns the error of the machine's piece, with the tables that belong to it.
    private func error(
        of bytes: [UInt8], _ series: BarSeriesSet? = nil, limits: MachineLimits = MachineLimits()
    ) -> CheckpointError? {
        #expect(throws: CheckpointError.self) {
            try bytes.read {
                try BarMachine(
                    rule: BarRule(series: series ?? machine.series), calendar: nil, limits: limits,
                    restoring: $0, machine.tables)
            }
        }
    }

    private func error(ofTables bytes: [UInt8]) -> CheckpointError? {
        #expect(throws: CheckpointError.self) {
            try bytes.read { try PartitionTables(.ofTests, restoring: $0) }
        }
    }

    @Test("another version, another format and other series are told apart")
    func foreign() throws {
        var bytes = machine.state
        let fewer = try barSeries(["1s"], lateness: 1_000_000_000)
        #expect(error(of: bytes, fewer) == .otherSeries(found: "1s,1m", configured: "1s"))
        bytes[4] = 2
        #expect(error(of: bytes) == .version(found: 2, known: 1))
        bytes[0] = 0
        guard case .foreign = error(of: bytes) else {
            Issue.record("a foreign magic was not noticed")
            return
        }
    }

    /// Damage under a correct checksum, as a defect of ours or a forger would cause.
    @Test("no bytes trap the machine, and those that it takes it would write itself")
    func fuzz() throws {
        var accepted = 0
        for seed in Fuzzing.seeds.all() {
            var random = SeededRandom(seed: seed)
            let rule = try RandomRule(seed: seed)
            let tape = rule.tape(seed: seed)
            var run = rule.run
            run.takesLate = false
            run.feed(tape.prefix(Int.random(in: 0...tape.count, using: &random)))
            let good = run.machine.snapshot
            for _ in 0..<Fuzzing.mutationsPerSeed {
                let bytes = Fuzzing.mutated(good, using: &random)
                guard
                    let machine = try? Alone<BarMachine>(
                        rule: rule.rule, calendar: rule.calendar, restoring: bytes)
                else { continue }
                accepted += 1
                let isSame = machine.snapshot == bytes
                #expect(isSame, "TAPELINE_SEED=\(seed)")
                // No later operation may trap, either.
                var after = MachineRun(machine)
                after.feed(tape)
                for bar in after.closed { _ = after.named(bar) }
                for tick in after.late {
                    _ = after.machine.symbols.pair(at: tick.trade.header.symbol).symbol
                }
                #expect(after.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
            }
        }
        #expect(accepted > 0)
    }

    @Test("fields that no machine can have are refused, each by its name")
    func impossible() throws {
        let good = machine.state
        // The last block before the fills, of which there are none, is a window. The late tick is
        // the last block.
        let late = good.count - 8 - LateTick.encodedBytes
        let window = late - 8 - WindowState.encodedBytes
        func refusal(at offset: Int, _ value: UInt8) -> CheckpointError? {
            var bytes = good
            bytes[offset] = value
            return error(of: Fuzzing.sealed(bytes))
        }
        let windowEnd = window + WindowState.encodedBytes
        for (field, offset, value) in [
            ("symbol", 0, 200), ("series", 4, 9), ("flags", 6, 0xff),
            ("published, not closed", 7, 2),
            ("range only", 7, 8), ("start", 8, 1), ("open feed", 59, 0xff), ("close feed", 61, 9),
            ("volume below 0", 111, 0x80), ("reserved", 148, 1),
        ] as [(String, Int, UInt8)] {
            let found = refusal(at: window + offset, value)
            #expect(found == .malformed(.window, offset: windowEnd), "\(field)")
        }
        for (field, offset, value) in [
            ("source", 8, 9), ("series", 12, 7), ("reason", 14, 9), ("kind", 15, 8),
            ("start", 96, 1), ("symbol", 16, 99), ("provider time", 31, 0x7f),
        ] as [(String, Int, UInt8)] {
            let found = refusal(at: late + offset, value)
            #expect(found == .malformed(.lateTick, offset: good.count - 8), "\(field)")
        }
        // The number of its trades.
        #expect(refusal(at: window + 16, 200) == .unbalanced(series: 1))
    }

    @Test("windows beyond a smaller limit are refused and not dropped")
    func limits() throws {
        #expect(error(of: machine.state, limits: MachineLimits(openWindows: 1)) != nil)
    }

    @Test("a machine at all its limits stays below that of checkpoints")
    func bounds() {
        let symbol = SymbolTable.encodedBytesMin + Symbol.utf8CountMax
        let all =
            StreamLimits.symbolsMax * symbol
            + StreamLimits.openWindowsMax * WindowState.encodedBytes
            + StreamLimits.lateTicksMax * LateTick.encodedBytes
            + StreamLimits.sourcesKnownMax * (42 + SourceName.utf8CountMax)
            + StreamLimits.providersMax * (2 + StreamLimits.providerBytesMax)
            + StreamLimits.seriesMax * (10 + SeriesName.utf8CountMax + 56)
            + CheckpointLimits.inputBytesMax + 1_024
        #expect(all < CheckpointLimits.bytesMax)
    }

    @Test("provider names beyond the limit count as one, and are not kept")
    func longProvider() throws {
        var machine = Alone<BarMachine>(series: try barSeries(["1s"]))
        let source = try machine.newSource("alpha")
        for letter in ["x", "y"] {
            let long = String(repeating: letter, count: StreamLimits.providerBytesMax + 1)
            _ = try machine.newSymbol(
                try subscription("A\(letter)", provider: long), source: source)
        }
        #expect(machine.symbols.providers.isEmpty)
        #expect(machine.symbols.feeds[0] == machine.symbols.feeds[1])
        try machine.expectRestored()
    }

    // MARK: golden

    @Test("a checkpoint has the bytes of its file, and is read")
    func golden() throws {
        let head = OperatorCheckpoint(
            definition: 0x0123_4567_89ab_cdef, generation: 2,
            output: OutputLedger.End(ordinal: 41, checksum: 0xfeed), input: [9, 8, 7])
        let kept = try Golden.expect(try head.bytes(machine), "checkpoint")
        let restored = try OperatorCheckpoint.restore(kept, rule: machine.rule)
        #expect(restored.checkpoint == head)
        #expect(restored.machine.snapshot == machine.snapshot)
    }
}

/// The files in the folder Golden.
enum Golden {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appendingPathComponent("Golden")

    /// Expects the bytes of the file with this name, and returns the file's.
    @discardableResult
    static func expect(_ bytes: [UInt8], _ name: String) throws -> [UInt8] {
        let file = folder.appendingPathComponent("\(name).hex")
        if !FileManager.default.fileExists(atPath: file.path) {
            try lines(bytes).write(to: file, atomically: true, encoding: .utf8)
            Issue.record("\(file.lastPathComponent) was missing and has been written: look at it")
        }
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(lines(bytes) == text)
        return text.split(whereSeparator: \.isWhitespace).compactMap { UInt8($0, radix: 16) }
    }

    private static func lines(_ bytes: [UInt8]) -> String {
        stride(from: 0, to: bytes.count, by: 16).map { start in
            bytes[start..<min(start + 16, bytes.count)]
                .map { String(format: "%02x", $0) }.joined(separator: " ")
        }.joined(separator: "\n") + "\n"
    }
}

/// Makes damage from a seed.
enum Fuzzing {
    static let seeds = Seeds(fixed: 1...60)
    static let mutationsPerSeed = 60

    /// Returns the bytes with a correct byte count and checksum.
    static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        guard bytes.count >= StateEnvelope.bytes else { return bytes }
        bytes.removeLast(8)
        let count = UInt64(bytes.count + 8)
        for index in 0..<8 {
            bytes[8 + index] = UInt8(truncatingIfNeeded: count >> UInt64(8 * index))
        }
        let checksum = bytes.withRawSpan { Checksum.of($0) }
        bytes.append(integer: checksum)
        return bytes
    }

    /// Changes one of the pieces of a state, each of which has an envelope.
    static func inOnePiece(
        of good: [UInt8], using random: inout SeededRandom,
        _ change: ([UInt8], inout SeededRandom) -> [UInt8]
    ) -> [UInt8] {
        var pieces: [[UInt8]] = []
        var start = 0
        while start < good.count {
            let end = try? good.withRawSpan { span throws(CheckpointError) in
                try StateEnvelope.end(ofPieceAt: start, in: span)
            }
            pieces.append(Array(good[start..<(end ?? good.count)]))
            start = end ?? good.count
        }
        let one = Int.random(in: pieces.indices, using: &random)
        pieces[one] = change(pieces[one], &random)
        return pieces.reduce(into: []) { $0 += $1 }
    }

    static func mutated(_ good: [UInt8], using random: inout SeededRandom) -> [UInt8] {
        inOnePiece(of: good, using: &random, mutatedPiece)
    }

    private static func mutatedPiece(
        _ good: [UInt8], using random: inout SeededRandom
    ) -> [UInt8] {
        var bytes = good
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let index = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[index] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
            case 2:
                let end = min(index + 8, bytes.count)
                let fill = UInt8.random(in: 0...255, using: &random)
                for place in index..<end { bytes[place] = fill }
            case 3: bytes.removeSubrange(index..<min(index + 16, bytes.count))
            case 4:
                let end = min(index + WindowState.encodedBytes, bytes.count)
                bytes.insert(contentsOf: bytes[index..<end], at: index)
            default: bytes[index] &+= 1
            }
            if bytes.isEmpty { break }
        }
        return sealed(bytes)
    }
}

/// Machines whose state contains everything.
enum Samples {
    static func machine() throws -> Alone<BarMachine> {
        let second: Int64 = 1_000_000_000
        var machine = Alone<BarMachine>(series: try barSeries(["1s", "1m"], lateness: second))
        let origin = 1_700_000_040 * second
        func time(_ seconds: Double) -> Timestamp {
            Timestamp(nanoseconds: origin + Int64(seconds * 1e9))
        }
        machine.tapeStarts(at: time(0.5))
        let alpha = machine.source(try sourceName("alpha")) ?? 0
        let beta = machine.source(try sourceName("beta-2")) ?? 0
        let first = try machine.newSymbol(
            try subscription("AAPL", provider: "ibkr", since: time(0.25)), source: alpha)
        let other = try machine.newSymbol(
            try subscription("BTC/USD é", provider: "two"), source: beta)
        func trade(_ symbol: UInt32, _ at: Double, _ raw: Int64, flags: TickFlags = []) -> Trade {
            Trade(
                header: TickHeader(
                    symbol: symbol, flags: flags, resolution: 2, providerTime: time(at),
                    receiveTime: time(at + 0.01), providerID: 77),
                price: Price(raw: raw), size: Quantity(raw: 300_000_000),
                exchange: ShortText("NASDAQ") ?? .empty)
        }
        var bars: [Bar] = []
        machine.trade(trade(first, 0.75, 190_000_000_000), source: alpha, ordinal: 1)
        machine.trade(trade(first, 1.5, 191_000_000_000), source: alpha, ordinal: 2)
        machine.trade(trade(first, 2.5, -5), source: alpha, ordinal: 3)
        machine.trade(trade(first, 2.6, 1, flags: .backfilled), source: alpha, ordinal: 4)
        machine.trade(trade(first, 3.1, 1, flags: .snapshot), source: alpha, ordinal: 5)
        machine.trade(trade(other, 1.25, Int64.max - 1), source: beta, ordinal: 1)
        machine.trade(trade(other, 1.5, 7), source: alpha, ordinal: 6)
        machine.advance(source: alpha, watermark: time(2), into: &bars)
        machine.advance(source: alpha, watermark: time(1), into: &bars)
        // One tick for a window that is kept, and one for a window that was removed.
        machine.trade(trade(first, 1.25, 9), source: alpha, ordinal: 7)
        machine.trade(trade(first, 0.875, 9), source: alpha, ordinal: 8)
        _ = machine.symbol(
            try subscription("AAPL", provider: "three", since: time(2.25)), source: beta)
        machine.trade(trade(first, 2.75, 11), source: beta, ordinal: 2)
        return machine
    }
}
