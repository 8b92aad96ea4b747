public import MarketModel
public import TapeCodec

/// The frames in a spool that hold the wanted packets.
public struct SpoolFinding: Sendable {
    public internal(set) var numbers: [Partition: UInt64] = [:]
    /// Some frames could not be read. A wanted packet may be among them.
    public internal(set) var hasDamage = false
}

extension Spool {
    /// Returns the next packet of the queue; it stays the same until it is taken. Returns `nil`
    /// when there is none, or when `takenMax` packets are in flight. Damaged frames are skipped and
    /// added to `damages`.
    public func peek(_ queue: Int = 0) throws(SpoolError) -> SpooledPacket? {
        if let head = queues[queue].head { return head.packet }
        guard queues[queue].taken.count < Self.takenMax else { return nil }
        let count = queues.count
        while let item = try queues[queue].cursor.next(
            in: chain, wants: { $0.partition.number % count == queue })
        {
            switch item {
            case .frame(let header, let packet):
                let spooled = SpooledPacket(
                    number: header.number, packet: packet)
                queues[queue].head = (header, spooled)
                return spooled
            case .damaged(let damage): note(damage)
            }
        }
        try settle()
        return nil
    }

    private func note(_ damage: SpoolDamage) {
        if damage.header == nil {
            guard damage.frames.upperBound > damageToldBelow else { return }
            damageToldBelow = damage.frames.upperBound
        }
        if damages.count >= Self.damagesMax { damages.removeFirst() }
        damages.append(damage)
        if let header = damage.header { forget(header) }
    }

    /// Takes the packet that `peek` returns, so that `peek` returns the next one. Several may be in
    /// flight at the same time, each to another partition.
    public func take(_ queue: Int = 0) throws(SpoolError) -> SpooledPacket? {
        guard let packet = try peek(queue), let head = queues[queue].head else { return nil }
        queues[queue].taken.append(Taken(header: head.header))
        queues[queue].head = nil
        return packet
    }

    /// Marks a packet as stored on the tape. Taken packets may be consumed in any order, and so may
    /// the one that `peek` returned. Numbers that are not in flight are ignored. If this throws,
    /// the disk failed; the packet stays consumed.
    public func consume(_ number: UInt64) throws(SpoolError) {
        for queue in queues.indices {
            if queues[queue].head?.header.number == number { _ = try take(queue) }
            guard
                let index = queues[queue].taken.firstIndex(where: { $0.header.number == number })
            else { continue }
            guard !queues[queue].taken[index].isConsumed else { return }
            queues[queue].taken[index].isConsumed = true
            forget(queues[queue].taken[index].header)
            let done = queues[queue].taken.prefix { $0.isConsumed }.count
            guard done > 0 else { return }
            queues[queue].taken.removeFirst(done)
            try settle()
            return
        }
    }

    /// Makes everything that is not consumed readable again, each queue in order. A packet that was
    /// consumed after an unconsumed one of its queue is returned again, too.
    public func rewind() {
        for index in queues.indices {
            for entry in queues[index].taken where entry.isConsumed {
                tails[entry.header.partition, default: SpoolTail()].add(entry.header)
            }
            queues[index] = Queue(at: queues[index].doneBelow)
        }
        damageToldBelow = 0
    }

    /// Returns, for each named partition, the number of its last frame with this content; a
    /// partition without one is absent. It searches from the first unconsumed frame on. Call it
    /// before reading.
    public func find(
        _ wanted: [Partition: PacketContent]
    ) throws(SpoolError) -> SpoolFinding {
        var found = SpoolFinding()
        var cursor = SegmentCursor(at: consumedBelow)
        while let item = try cursor.next(
            in: chain,
            wants: {
                let content = wanted[$0.partition]
                return content?.byteCount == $0.packetBytes && content?.tickCount == $0.tickCount
            })
        {
            switch item {
            case .frame(let header, let packet):
                guard packet.content == wanted[header.partition] else { continue }
                found.numbers[header.partition] = header.number
            case .damaged: found.hasDamage = true
            }
        }
        return found
    }

    // MARK: parts

    private func forget(_ header: FrameHeader) {
        guard var tail = tails[header.partition] else { return }
        tail.remove(header)
        tails[header.partition] = tail.frames > 0 ? tail : nil
    }

    /// Marks all frames as consumed up to the first one that is in flight or unread.
    private func settle() throws(SpoolError) {
        let done = queues.reduce(chain.end) { min($0, $1.doneBelow) }
        guard done > consumedBelow else { return }
        consumedBelow = done
        // Frames without a readable header were never subtracted from the tails.
        if isEmpty { tails.removeAll(keepingCapacity: true) }
        try removeConsumed()
        try writeMark()
    }

    /// Writes the mark. On a full disk the old mark stays; a later reader then reads some frames
    /// again.
    func writeMark() throws(SpoolError) {
        do throws(SpoolError) {
            try mark?.write(SpoolMark.bytes(consumedBelow), at: 0)
        } catch .system(_, _, let code) where code.isFull {
            return
        }
    }

    /// Removes segments that are no longer needed.
    func removeConsumed() throws(SpoolError) {
        while let first = chain.segments.first {
            let end = chain.segments.count > 1 ? chain.segments[1].first : chain.end
            guard end <= consumedBelow else { break }
            if chain.segments.count == 1 {
                writer = nil
                unsyncedFrames = 0
            }
            for index in queues.indices { queues[index].cursor.close() }
            try SpoolFiles.remove(first.path)
            chain.segments.removeFirst()
        }
    }
}
