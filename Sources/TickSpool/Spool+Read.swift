internal import MarketModel

extension Spool {
    /// The packet that leaves next; the same one until it is taken. Nil: there is none, or
    /// `takenMax` are on their way. Damaged frames are passed over and put into `damages`.
    public func peek() throws(SpoolError) -> SpooledPacket? {
        if let head { return head.packet }
        guard taken.count < Self.takenMax else { return nil }
        while let item = try chain.next() {
            switch item {
            case .frame(let header, let packet):
                let spooled = SpooledPacket(
                    number: header.number, purpose: header.purpose, packet: packet)
                head = (header, spooled)
                return spooled
            case .damaged(let damage):
                if damages.count >= Self.damagesMax { damages.removeFirst() }
                damages.append(damage)
                if let header = damage.header { forget(header) }
            }
        }
        try settle()
        return nil
    }

    /// Hands out the packet that `peek` shows, so that it shows the next one: several may be on
    /// their way at once, each to another partition.
    public func take() throws(SpoolError) -> SpooledPacket? {
        guard let packet = try peek(), let head else { return nil }
        taken.append(Taken(header: head.header))
        self.head = nil
        return packet
    }

    /// It stands on the tape. In any order over what was taken; also for what `peek` has shown.
    /// Numbers that are not on their way are ignored. What is thrown is about the disk: it stays
    /// consumed.
    public func consume(_ number: UInt64) throws(SpoolError) {
        if head?.header.number == number { _ = try take() }
        guard let index = taken.firstIndex(where: { $0.header.number == number }),
            !taken[index].isConsumed
        else { return }
        taken[index].isConsumed = true
        forget(taken[index].header)
        let done = taken.prefix { $0.isConsumed }.count
        guard done > 0 else { return }
        taken.removeFirst(done)
        try settle()
    }

    /// Hands out again everything that is not consumed, in order. Packets that were consumed behind
    /// one that was not come once more.
    public func rewind() {
        for entry in taken where entry.isConsumed {
            tails[entry.header.partition, default: SpoolTail()].add(entry.header)
        }
        taken.removeAll()
        head = nil
        chain.seek(to: consumedBelow)
    }

    // MARK: parts

    private func forget(_ header: FrameHeader) {
        guard var tail = tails[header.partition] else { return }
        tail.remove(header)
        tails[header.partition] = tail.frames > 0 ? tail : nil
    }

    /// Everything in front of the first frame that is on its way, or is still to be read, is done.
    private func settle() throws(SpoolError) {
        let done = taken.first?.header.number ?? head?.header.number ?? chain.number
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
        var isRemoved = false
        while let first = chain.segments.first {
            let end = chain.segments.count > 1 ? chain.segments[1].first : chain.end
            guard end <= consumedBelow else { break }
            if chain.segments.count == 1 {
                writer = nil
                unsyncedFrames = 0
            }
            chain.close()
            try SpoolFiles.remove(first.path)
            chain.segments.removeFirst()
            isRemoved = true
        }
        if isRemoved { reserve() }
    }
}
