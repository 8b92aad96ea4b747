import CAllocationCounter
import HotState
import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TestSupport
import ValkeyClient

/// Measures the parts by themselves: putting a tick into the table, putting a key into the buffer,
/// and the ways in which a server can compare before it writes.
///
///     HotStateBenchmark parts
struct PartsRun {
    private static let symbols = 500
    private static let rounds = 400
    private let clock = SystemClock()

    /// Returns false if the path of a tick allocates.
    func run() throws -> Bool {
        let isClean = try [table(), books()].allSatisfy { $0 }
        try scripts()
        return isClean
    }

    // MARK: in memory

    private func packets() throws -> [SealedPacket] {
        guard let source = SourceName("bench") else {
            throw TickPublisher.Unusable("no name")
        }
        let names = (0..<Self.symbols).compactMap { Symbol("S\($0)") }
        return (0..<32).map { number in
            var builder = PacketBuilder(
                kind: .ticks, partition: Partition(number), source: source)
            for tick in 0..<16 {
                let symbol = names[(number * 31 + tick * 7) % names.count]
                let index = builder.register(
                    SymbolDefinition(
                        symbol: symbol, provider: "bench", since: Timestamp(nanoseconds: 0)))
                let time = Timestamp(nanoseconds: 1_700_000_000_123_456_789)
                _ = builder.append(
                    Trade(
                        header: TickHeader(
                            symbol: index, providerTime: time, receiveTime: time),
                        price: Price(raw: 123_456_000_000), size: Quantity(raw: 12_500_000_000)))
            }
            return builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined))
        }
    }

    /// What packets cost in the rounds whose buffers have their final size.
    private struct Cost {
        var best = (adding: Int64.max, writing: Int64.max)
        var allocations: (adding: UInt64, writing: UInt64) = (0, 0)
        var keys = 0
    }

    /// Puts the packets into a table and its keys into the buffer, again and again.
    private func cost(
        of packets: [SealedPacket], orders: (_ round: Int, _ packet: Int) -> HotOrder
    ) -> Cost {
        var table = HotTable(symbolsMax: 65_536)
        var writing = HotWriting(namespace: "md", digests: [:])
        var batch = HotBatch()
        var cost = Cost()
        for round in 0..<Self.rounds {
            let counted = allocations_of_this_thread()
            let start = clock.monotonic()
            for (number, packet) in packets.enumerated() {
                let origin = HotOrigin(
                    source: packet.header.source, order: orders(round, number), receivedAt: start,
                    stored: .undefined)
                packet.withBytes { table.add($0, origin) }
            }
            let added = clock.monotonic()
            let countedThen = allocations_of_this_thread()
            batch.removeAll()
            table.take(atMost: 100_000, now: added, heardAfter: .distantPast, into: &batch)
            writing.write(
                batch, of: table, now: added,
                HotAges(life: 300_000_000_000, stale: 300_000_000_000))
            let written = clock.monotonic()
            guard round >= Self.rounds / 2 else { continue }
            cost.allocations.adding += countedThen - counted
            cost.allocations.writing += allocations_of_this_thread() - countedThen
            cost.best = (
                min(cost.best.adding, added - start), min(cost.best.writing, written - added)
            )
        }
        cost.keys = batch.count
        return cost
    }

    private func table() throws -> Bool {
        let packets = try packets()
        let ticks = packets.reduce(0) { $0 + Int($1.header.tickCount) }
        let cost = cost(of: packets) { round, packet in
            HotOrder(
                streamCreated: Timestamp(nanoseconds: 0),
                sequence: UInt64(round * packets.count + packet + 1))
        }
        print(
            """
            {"benchmark":"hot_state_parts","ns_per_tick_into_table":\
            \(Double(cost.best.adding) / Double(ticks)),"ns_per_key_into_buffer":\
            \(Double(cost.best.writing) / Double(cost.keys)),"allocations_into_table":\
            \(cost.allocations.adding),"allocations_into_buffer":\(cost.allocations.writing)}
            """)
        return cost.allocations.adding == 0
    }

    /// Changes of rows of full books: what a change costs, and what a key of a book.
    private func books() throws -> Bool {
        let packets = try depthPackets()
        // A stream that was made again, so that no packet is a repeated one.
        let cost = cost(of: packets) { round, _ in
            HotOrder(streamCreated: Timestamp(nanoseconds: Int64(round)), sequence: 1)
        }
        let changes = packets.reduce(0) { $0 + Int($1.header.tickCount) }
        print(
            """
            {"benchmark":"hot_state_books",\
            "ns_per_change":\(Double(cost.best.adding) / Double(changes)),\
            "ns_per_key":\(Double(cost.best.writing) / Double(cost.keys)),\
            "allocations":\(cost.allocations.adding)}
            """)
        return cost.allocations.adding == 0
    }

    /// A packet in each of 32 partitions, with a book of 20 rows of each side and 200 changes at
    /// its top.
    private func depthPackets() throws -> [SealedPacket] {
        guard let source = SourceName("bench") else { throw TickPublisher.Unusable("no name") }
        let time = Timestamp(nanoseconds: 1_700_000_000_123_456_789)
        return (0..<32).map { number in
            var builder = PacketBuilder(
                kind: .ticks, partition: Partition(number), source: source)
            let index = Symbol("S\(number)").map {
                builder.register(SymbolDefinition(symbol: $0, provider: "bench", since: time))
            }
            let header = TickHeader(
                symbol: index ?? 0, providerTime: .undefined, receiveTime: time)
            func row(_ side: BookSide, _ operation: DepthOperation, _ position: Int) {
                let raw = 64_123_450_000_000 + Int64(position) * 10_000_000
                _ = builder.append(
                    DepthUpdate(
                        header: header, position: UInt32(position), side: side,
                        operation: operation, price: Price(raw: raw),
                        size: Quantity(raw: 12_345_678)))
            }
            _ = builder.append(DepthReset(header: header, reason: .reset))
            for position in 0..<20 {
                for side in [BookSide.bid, .ask] { row(side, .insert, position) }
            }
            for change in 0..<40 {
                let side: BookSide = change.isMultiple(of: 2) ? .bid : .ask
                row(side, .insert, change % 5)
                row(side, .delete, 20)
                row(side, .update, change % 7)
                row(side, .delete, change % 5)
                row(side, .insert, 19)
            }
            return builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined))
        }
    }

    // MARK: on the server

    /// How a batch of keys is written.
    private enum Way: String, CaseIterable {
        case plain = "HSET and PEXPIRE, no order"
        case perKey = "EVALSHA per key"
        case perBatch = "EVALSHA per batch"
        case function = "FCALL per batch"
    }

    private func scripts() throws {
        let server = try ValkeyServer()
        let session = try ValkeyConnection(
            ValkeyConfiguration(
                host: "127.0.0.1", port: server.port, password: ValkeyServer.password))
        let digest = try session.command(["SCRIPT", "LOAD", .text(Self.body("KEYS", "ARGV"))]).text
        let library = """
            #!lua name=hot
            redis.register_function('hot', function(keys, args) \(Self.body("keys", "args")) end)
            """
        let loaded = try session.command(["FUNCTION", "LOAD", .text(library)])
        guard let digest, loaded.errorMessage == nil else {
            throw TickPublisher.Unusable("no script: \(loaded)")
        }
        for keys in [16, 64, 256, 500] {
            for way in Way.allCases {
                var best = Int64.max
                let used = try Self.used(server)
                let rounds = 40_000 / keys
                for round in 0..<rounds {
                    var commands = ValkeyCommands()
                    Self.write(way, keys, round, Array(digest.utf8), into: &commands)
                    let start = clock.monotonic().nanoseconds
                    session.append(commands)
                    let replies = try session.replies(count: commands.count)
                    best = min(best, clock.monotonic().nanoseconds - start)
                    if let refusal = replies.compactMap(\.errorMessage).first {
                        throw TickPublisher.Unusable(refusal)
                    }
                }
                let server = (try Self.used(server) - used) * 1e6 / Double(rounds * keys)
                print(
                    "\(keys) keys, \(way.rawValue): \(Double(best) / 1e3) us the best round trip, "
                        + "\(HotStateBenchmark.hundredths(server)) us of the server per key")
            }
        }
    }

    private static func body(_ keys: String, _ words: String) -> String {
        """
        local written = 0
        for i = 1, #\(keys) do
          local at = (i - 1) * 8
          local order = redis.pcall('HGET', \(keys)[i], 'order')
          if not order or order <= \(words)[at + 1] then
            redis.call('HSET', \(keys)[i], 'order', \(words)[at + 1], 'price', \(words)[at + 3],
              'size', \(words)[at + 4], 'exchange', \(words)[at + 5], 'ts', \(words)[at + 6],
              'receive_ts', \(words)[at + 7], 'source', \(words)[at + 8])
            redis.call('PEXPIRE', \(keys)[i], \(words)[at + 2])
            written = written + 1
          end
        end
        return written
        """
    }

    private static let fields = ["price", "size", "exchange", "ts", "receive_ts", "source"]
        .map { Array($0.utf8) }

    private static func write(
        _ way: Way, _ keys: Int, _ round: Int, _ digest: [UInt8],
        into commands: inout ValkeyCommands
    ) {
        func values(_ names: Bool, _ key: Int) {
            if names { commands.append(Array("order".utf8)) }
            commands.append { $0.append(digitsOf: UInt64(round * keys + key), padded: 40) }
            if !names { commands.append(Int64(300_000)) }
            for (index, field) in fields.enumerated() {
                if names { commands.append(field) }
                // Every value is a different text, as on a market, because Lua stores equal texts
                // once.
                commands.append(Int64((round * keys + key) * 10 + index))
            }
        }
        func key(_ number: Int) { commands.append(Array("md:trade:S\(number)".utf8)) }
        switch way {
        case .plain:
            for number in 0..<keys {
                commands.begin(words: 16)
                commands.append("HSET")
                key(number)
                values(true, number)
                commands.begin(words: 3)
                commands.append("PEXPIRE")
                key(number)
                commands.append(Int64(300_000))
            }
        case .perKey:
            for number in 0..<keys {
                commands.begin(words: 12)
                commands.append("EVALSHA")
                commands.append(digest)
                commands.append(Int64(1))
                key(number)
                values(false, number)
            }
        case .perBatch, .function:
            commands.begin(words: 3 + keys * 9)
            if way == .perBatch {
                commands.append("EVALSHA")
                commands.append(digest)
            } else {
                commands.append("FCALL")
                commands.append("hot")
            }
            commands.append(Int64(keys))
            for number in 0..<keys { key(number) }
            for number in 0..<keys { values(false, number) }
        }
    }

    private static func used(_ server: ValkeyServer) throws -> Double {
        try HotStage.processorSeconds(server)
    }
}
