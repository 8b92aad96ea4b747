public import MarketModel
public import TapeCodec

/// Where in a spool the packets are that somebody looks for.
public struct SpoolFinding: Sendable {
    public internal(set) var numbers: [Partition: UInt64] = [:]
    /// Frames could not be read: what was looked for may be among them.
    public internal(set) var hasDamage = false
}

extension Spool {
    /// The packet that leaves the queue next; the same one until it is taken. Nil: there is none,
    /// or `takenMax` are on their way. Damaged frames are passed over and put into `damages`.
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

    /// Hands out the packet that `peek` shows, so that it shows the next one: several may be on
    /// their way at once, each to another partition.
    public func take(_ queue: Int = 0) throws(SpoolError) -> SpooledPacket? {
        guard let packet = try peek(queue), let head = queues[queue].head else { return nil }
        queues[queue].taken.append(Taken(header: head.header))
        queues[queue].head = nil
        return packet
    }

    /// It stands on the tape. In any order over what was taken; also for what `peek` has shown.
    /// Numbers that are not on their way are ignored. What is thrown is about the disk: it stays
    /// consumed.
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

    /// Hands out again everything that is not consumed, each queue in order. Packets that were
    /// consumed behind one of their queue that was not come once more.
    public func rewind() {
        for index in queues.indices {
            for entry in queues[index].taken where entry.isConsumed {
                tails[entry.header.partition, default: SpoolTail()].add(entry.header)
            }
            queues[index] = Queue(at: queues[index].doneBelow)
        }
        damageToldBelow = 0
    }

    /// Of each partition that is named: the number of its last frame with this content; absent:
    /// there is none. From the first frame that is not consumed on, in front of all reading.
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

    /// Everything in front of the first frame that is on its way, or is still to be read, is done.
    private func settle() throws(SpoolError) {
        let done = queues.reduce(chain.end) { min($0, $1.doneBelow) }
        guard done > consumedBelow else { return }
        consumedBelow = done
        // What could not be read at all was counted by nobody.
        if isEmpty { tails.removeAll(keepingCapacity: true) }
        try removeConsumed()
        try writeMark()
    }

    /// On a full disk the mark stays as it was: whoever reads it reads some frames once more.
    func writeMark() throws(SpoolError) {
        do throws(SpoolError) {
            try mark?.write(SpoolMark.bytes(consumedBelow), at: 0)
        } catch .system(_, _, let code) where code.isFull {
            return
        }
    }

    /// Removes segments of which nothing is wanted any more.
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
