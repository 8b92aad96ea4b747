import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

/// One item of a partition's output. Its symbol and series are the machine's indexes until it goes
/// into a packet.
enum OutputItem: Sendable {
    case bar(Bar)
    case late(LateTickRecord)
    case value(IndicatorValue)
}

// Turns the machine's results into numbered output.
extension PartitionOperator {
    /// Numbers what the machine made of the present packet or repair, in the order of publication:
    /// bars, then late ticks, then values. With `isHidden` it is dropped, because a new line of
    /// output is being built.
    func keepOutput(isHidden: Bool, isRepair: Bool = false) {
        if isHidden {
            unpublished += UInt64(output.bars.count + values.count)
        } else {
            for bar in output.bars { record(bar, isRepair: isRepair) }
            for late in output.late { record(late) }
            for value in output.values { record(value, isRepair: isRepair) }
            for value in values { record(value) }
        }
        output.removeAll()
        values.removeAll(keepingCapacity: true)
    }

    /// Numbers a value of the share over all partitions: only that of a scan may have a symbol.
    private func record(_ value: IndicatorValue) {
        if let publishFrom, value.periodStart < publishFrom {
            unpublished += 1
            return
        }
        counted.revised += value.revision > 0 ? 1 : 0
        let symbol = universe?.symbol(at: value.header.symbol)
        keep(.value(value), ledger.record(value, of: symbol))
    }

    /// Returns the time from which on windows of a symbol are published; `nil` when all are. It is
    /// that of the symbol's source where one is known: earlier than the partition's where the
    /// previous line had published less of the source, later where it had published more. Several
    /// sources feed a group, so it has the partition's time.
    private func publishFrom(of symbol: UInt32) -> Timestamp? {
        guard let publishFrom, symbol < machine.symbols.count else { return publishFrom }
        // Where the tape begins says nothing of a past.
        if let start = machine.startOfPast(symbol) { return start }
        guard let earlier else { return publishFrom }
        let source = machine.symbols.pair(at: symbol).source
        let isGroup = settings.program.definition.groups.all.contains { $0.name == source }
        return isGroup ? publishFrom : earlier.publishFrom(source) ?? publishFrom
    }

    private func record(_ closed: Bar, isRepair: Bool) {
        // A repair makes new versions of older bars, too, which the previous line published.
        if !isRepair, let from = publishFrom(of: closed.symbol), closed.openTime < from {
            unpublished += 1
            return
        }
        var bar = closed
        bar.generation = settings.generation
        counted.revised += !isRepair && bar.reason == BarReason.late.rawValue ? 1 : 0
        let verdict = ledger.record(
            bar, of: machine.symbols.pair(at: bar.symbol), series: name(ofSeries: bar.series))
        keep(.bar(bar), verdict)
    }

    private func record(_ tick: LateTick) {
        if tick.reason == .duplicate { counted.duplicates += 1 } else { counted.late += 1 }
        let late = tick.record(source: machine.sources.entries[tick.source].name)
        let verdict = ledger.record(
            late, of: machine.symbols.pair(at: late.header.symbol),
            series: name(ofSeries: late.series))
        keep(.late(late), verdict)
    }

    /// Numbers a value of the graph. Its time is the end of its period, because no clock is read. A
    /// further version takes its ordinal as its revision, because ordinals rise.
    private func record(_ computed: GraphValue, isRepair: Bool) {
        // As with bars. Days of providers are always past, and nodes over all partitions need them.
        if !isRepair, !computed.isPassedOn, let from = publishFrom(of: computed.symbol),
            computed.periodStart < from
        {
            unpublished += 1
            return
        }
        let isFirst = computed.reason == BarReason.closed.rawValue
        let value = IndicatorValue(
            header: TickHeader(
                symbol: computed.symbol, providerTime: computed.periodEnd,
                receiveTime: computed.periodEnd),
            name: computed.name, value: computed.value, periodStart: computed.periodStart,
            periodEnd: computed.periodEnd,
            revision: isFirst ? 0 : ledger.nextOrdinal)
        let symbol =
            computed.symbol == TickHeader.noSymbol
            ? nil : machine.symbols.pair(at: computed.symbol)
        keep(.value(value), ledger.record(value, of: symbol))
    }

    /// Numbers the value that states a refused repair, in place of the repair's output. `sequence`
    /// is that of the packet that requested the repair. If the repair is of one symbol, the value
    /// belongs to it, and to its first source when it has several.
    func record(_ ranges: RefusedRanges, sequence: UInt64) {
        let symbol =
            ranges.areOfOneSymbol(machine.symbols) ? ranges.symbol : TickHeader.noSymbol
        let value = RefusedRepair(ranges, sequence: sequence).value(
            symbol: symbol, revision: ledger.nextOrdinal)
        let known = symbol == TickHeader.noSymbol ? nil : machine.symbols.pair(at: symbol)
        keep(.value(value), ledger.record(value, of: known))
    }

    private func name(ofSeries index: UInt16) -> SeriesName {
        settings.program.series[Int(index)].name
    }

    /// Puts new output into the outbox. Output that is on the tape already is suppressed. If the
    /// tape holds other output under that ordinal, the partition stops.
    private func keep(_ item: OutputItem, _ verdict: OutputLedger.Verdict) {
        switch verdict {
        case .new(let ordinal):
            outbox.append(Output(item: item, ordinal: ordinal, checksum: ledger.checksum))
        case .suppressed: counted.suppressed += 1
        case .diverged(let ordinal, let expected, let found):
            stopped = RecoverySituation.divergence(
                at: ordinal, expected: expected, found: found, partition)
        }
    }

    /// Notes that all output of the present input is computed. An input without output in the
    /// outbox needs no note: it is complete as soon as the outbox is empty.
    func endInput() {
        guard let position, let last = outbox.last?.ordinal, last > inputEnds.last?.ordinal ?? 0
        else { return }
        inputEnds.append(InputEnd(ordinal: last, position: position))
    }
}

// How numbered output gets into packets.
extension PartitionOperator {
    /// Moves computed output into the lane's packet, and sends the packet when the lane is ready.
    /// The worker calls it when it visits the partition.
    func pump(_ lane: some OutputLane, now: MonotonicTime) {
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
        // A packet's watermark promises that all bars up to it are published, but for those that a
        // silent source may bring yet.
        if outbox.isEmpty, !hasRepair { packedWatermark = max(packedWatermark, watermark) }
        counted.published += UInt64(lane.waitingTicks)
        publishedPosition = complete.sequence
        publishedAt = now
        publish(lane, input: complete)
    }

    /// Moves `complete` forward, never back: while output on the tape is computed again, the tape
    /// states a later input already.
    private func completed(_ input: TapePosition?) {
        if let input, input.isBehind(complete) { complete = input }
    }

    /// Sends the lane's packet. It states `input` as complete.
    private func publish(_ lane: some OutputLane, input: TapePosition) {
        publishedStates = sourceStates
        lane.publish(
            watermark: packedWatermark,
            output: OutputState(
                input: input, checksum: packedChecksum, generation: settings.generation,
                states: publishedStates, members: members))
        windowEnds.sent()
    }

    /// What a packet says of sources now. Their watermarks promise what the packet's own one does,
    /// so they are left out while output waits for a later packet.
    private var sourceStates: [SourceState] {
        var states = machine.sourceStates
        guard !outbox.isEmpty || hasRepair else { return states }
        for index in states.indices { states[index].watermark = .undefined }
        return states
    }

    /// Returns whether a packet without bars is due: after `watermarkNanosecondsMax` if the
    /// watermark or that of a source has changed, so that readers learn it, and immediately when a
    /// person waits for the result of a request.
    private func mustPublishEmpty(_ complete: TapePosition, now: MonotonicTime) -> Bool {
        guard stopped == nil, phase == .working, !hasRepair, complete.sequence > publishedPosition
        else { return false }
        if publishedPosition < requestSequence, complete.sequence >= requestSequence { return true }
        guard now - publishedAt >= watermarkNanosecondsMax else { return false }
        return watermark > packedWatermark || sourceStates != publishedStates
    }

    /// Publishes the packet without bars after which a new line of output begins.
    private func publishEmpty(_ input: TapePosition, _ lane: some OutputLane) {
        guard lane.isReady else { return }
        publish(lane, input: input)
        phase = .published
    }

    /// Notes that a packet of the lane is stored on the tape. A marker has no output. Returns the
    /// oldest end of the windows whose first bars are in the packet; `nil` for none.
    @discardableResult
    func acknowledge(_ header: PacketHeader) -> Timestamp? {
        guard !header.flags.contains(.epochMarker) else { return nil }
        acknowledged = max(acknowledged, header.nextOrdinal - 1)
        if phase == .published { phase = .keeping }
        return windowEnds.acknowledged()
    }

    /// Moves output from the outbox into the lane's packet, as far as it fits, and finds the last
    /// input whose output is now completely in packets.
    private func pack(_ lane: some OutputLane) {
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
    private func pack(_ item: OutputItem, _ lane: some OutputLane) -> Bool {
        switch item {
        case .bar(var bar):
            bar.symbol = laneSymbol(bar.symbol, lane)
            bar.series = laneSeries[Int(bar.series)]
            let isIn = lane.append(bar)
            precondition(isIn, "a lane that was not full refused a bar")
            windowEnds.packed(bar)
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

    /// Returns the lane's number for the machine's number of a symbol, and registers the symbol if
    /// it is new there.
    private func laneSymbol(_ symbol: UInt32, _ lane: some OutputLane) -> UInt32 {
        while laneSymbols.count <= symbol { laneSymbols.append(nil) }
        if let known = laneSymbols[Int(symbol)] { return known }
        let pair = universe?.symbol(at: symbol) ?? machine.symbols.pair(at: symbol)
        let number = lane.register(
            SymbolDefinition(
                symbol: pair.symbol, provider: "", since: .undefined, source: pair.source))
        laneSymbols[Int(symbol)] = number
        return number
    }
}

extension TapePosition {
    /// Returns whether this position is later than the other one on the same stream, or on another
    /// stream. Every position is later than `nil`.
    func isBehind(_ other: TapePosition?) -> Bool {
        guard let other, other.streamCreated == streamCreated else { return true }
        return sequence > other.sequence
    }
}
