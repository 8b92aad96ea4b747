import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

// How computed bars get into packets.
extension PartitionOperator {
    /// Moves computed bars into the lane's packet, and sends it when the lane is free. `now` is
    /// monotonic.
    mutating func pump(_ lane: some OutputLane, now: Int64) {
        if case .publishing(let input) = phase {
            publishEmpty(input, lane)
            return
        }
        pack(lane)
        if outbox.isEmpty, ledger.isPastPublished, stopped == nil, !hasRepair {
            completed(position)
        }
        guard lane.isReady, let complete else { return }
        let hasBars = lane.waitingTicks > 0
        guard hasBars || mustPublishEmpty(complete, now: now) else { return }
        if outbox.isEmpty, !hasRepair { packedWatermark = max(packedWatermark, watermark) }
        counted.published += UInt64(lane.waitingTicks)
        publishedPosition = complete.sequence
        publishedAt = now
        publish(lane, input: complete)
    }

    /// Moves `complete` forward. It does not go back while the end of the output is computed again.
    private mutating func completed(_ input: TapePosition?) {
        if let input, input.isBehind(complete) { complete = input }
    }

    /// Sends the lane's packet. It states `input` as complete.
    private func publish(_ lane: some OutputLane, input: TapePosition) {
        lane.publish(
            watermark: packedWatermark,
            output: OutputState(
                input: input, checksum: packedChecksum, generation: settings.generation))
    }

    /// Returns whether a packet without bars is due: once a second, so that readers see how far
    /// time has come, and immediately when a person waits for the result of a request.
    private func mustPublishEmpty(_ complete: TapePosition, now: Int64) -> Bool {
        guard stopped == nil, phase == .working, !hasRepair, complete.sequence > publishedPosition
        else { return false }
        if publishedPosition < requestSequence, complete.sequence >= requestSequence { return true }
        return watermark > packedWatermark
            && (publishedAt == Int64.min || now - publishedAt >= 1_000_000_000)
    }

    /// Publishes the packet without bars after which a new line of output begins.
    private mutating func publishEmpty(_ input: TapePosition, _ lane: some OutputLane) {
        guard lane.isReady else { return }
        publish(lane, input: input)
        phase = .published
    }

    /// Notes that a packet of the lane is stored on the tape.
    mutating func acknowledge(_ header: PacketHeader) {
        guard !header.flags.contains(.epochMarker) else { return }
        acknowledged = max(acknowledged, header.nextOrdinal - 1)
        if phase == .published { phase = .keeping }
    }

    /// Moves output from the outbox into the lane's packet, as far as it fits.
    private mutating func pack(_ lane: some OutputLane) {
        var packed = 0
        while packed < outbox.count, !lane.isFull {
            guard pack(outbox[packed].item, lane) else { break }
            packedChecksum = outbox[packed].checksum
            packed += 1
        }
        guard packed > 0 else { return }
        let last = outbox[packed - 1].ordinal
        outbox.removeFirst(packed)
        var done = 0
        while done < inputEnds.count, inputEnds[done].ordinal <= last { done += 1 }
        guard done > 0 else { return }
        completed(inputEnds[done - 1].position)
        inputEnds.removeFirst(done)
    }

    /// Appends an item to the packet. Returns false when the item has to wait for the next packet,
    /// or when no packet can hold it and the partition stops.
    private mutating func pack(_ item: OutputItem, _ lane: some OutputLane) -> Bool {
        switch item {
        case .bar(var bar):
            bar.symbol = laneSymbol(bar.symbol, lane)
            bar.series = laneSeries[Int(bar.series)]
            let isIn = lane.append(bar)
            precondition(isIn, "a lane that was not full refused a bar")
            return true
        case .late(var late):
            late.header.symbol = laneSymbol(late.header.symbol, lane)
            late.series = laneSeries[Int(late.series)]
            return lane.append(late)
        case .value(var value):
            if value.header.symbol != TickHeader.noSymbol {
                value.header.symbol = laneSymbol(value.header.symbol, lane)
            }
            switch lane.append(value) {
            case .appended: return true
            case .full: return false
            case .refused(let reason):
                stopped = "a value of \(value.name.prefix(64)) cannot be published: \(reason)"
                return false
            }
        }
    }

    /// Returns the lane's number of a symbol, and registers the symbol if it is new there.
    private mutating func laneSymbol(_ symbol: UInt32, _ lane: some OutputLane) -> UInt32 {
        while laneSymbols.count <= symbol { laneSymbols.append(nil) }
        if let known = laneSymbols[Int(symbol)] { return known }
        let source = machine.sources.entries[machine.symbols.source(of: symbol)].name
        let number = lane.register(
            SymbolDefinition(
                symbol: machine.symbols.symbol(at: symbol), provider: "",
                since: .undefined, source: source))
        laneSymbols[Int(symbol)] = number
        return number
    }
}

extension TapePosition {
    /// Returns whether this position is later on the same stream, or on another stream.
    func isBehind(_ other: TapePosition?) -> Bool {
        guard let other, other.streamCreated == streamCreated else { return true }
        return sequence > other.sequence
    }
}
