internal import MarketModel

extension Spool {
    /// Returns the next packet of the queue; it stays the same until it is taken. Returns `nil`
    /// when there is none, or when `takenMax` frames are taken and not consumed. Damaged frames are
    /// skipped and added to `damages`.
    package func peek(_ queue: Int = 0) throws(SpoolError) -> SpooledPacket? {
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

    /// Adds damage to `damages`, unless another queue has reported it.
    private func note(_ damage: SpoolDamage) {
        if damage.header == nil {
            guard damage.frames.upperBound > damageReportedBelow else { return }
            damageReportedBelow = damage.frames.upperBound
        }
        if damages.count >= Self.damagesMax { damages.removeFirst() }
        damages.append(damage)
        if let header = damage.header { forget(header) }
    }

    /// Takes the packet that `peek` returns, so that `peek` returns the next one. Several may be on
    /// their way onto the tape at the same time; the caller keeps the order within a partition.
    /// Returns `nil` as `peek` does.
    package func take(_ queue: Int = 0) throws(SpoolError) -> SpooledPacket? {
        guard let packet = try peek(queue), let head = queues[queue].head else { return nil }
        queues[queue].taken.append(Taken(header: head.header))
        queues[queue].head = nil
        return packet
    }

    /// Marks a packet as stored on the tape. Taken packets may be consumed in any order, and so may
    /// the one that `peek` returned. Numbers of other frames are ignored. If this throws, the disk
    /// failed; the packet counts as consumed all the same.
    package func consume(_ number: UInt64) throws(SpoolError) {
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

    /// Makes everything that is not consumed readable again, each queue in order, for the next
    /// tenure. A packet that was consumed after an unconsumed one of its queue is returned again,
    /// too.
    package func rewind() {
        for index in queues.indices {
            for entry in queues[index].taken where entry.isConsumed {
                tails[entry.header.partition, default: SpoolTail()].add(entry.header)
            }
            queues[index] = Queue(at: queues[index].doneBelow, isSure: queues[index].isSure)
        }
        damageReportedBelow = 0
    }

    // MARK: parts

    /// Subtracts a frame from its partition's unconsumed ones.
    private func forget(_ header: FrameHeader) {
        guard var tail = tails[header.partition] else { return }
        tail.remove(header)
        tails[header.partition] = tail.frames > 0 ? tail : nil
    }

    /// Notes how far all frames are consumed: in each queue up to the first one that is taken or
    /// unread. Removes segments that are not needed any more and writes the mark. On a full disk
    /// the old mark stays. The next process then reads some frames again.
    func settle() throws(SpoolError) {
        // An empty queue is sure: frames that are appended later come after everything that went
        // past the spool before.
        for index in queues.indices where isEmpty(queue: index) { queues[index].isSure = true }
        let done = queues.reduce(chain.end) { min($0, $1.doneBelow) }
        if done > consumedBelow {
            consumedBelow = done
            // Frames without a readable header were never subtracted from the tails.
            if isEmpty { tails.removeAll(keepingCapacity: true) }
            try removeConsumed()
        }
        do throws(SpoolError) {
            try writeMark()
        } catch .system(_, _, let code) where code.isFull {
            return
        }
    }

    /// Makes the knowledge of which frames are consumed survive a power cut. Call it before packets
    /// of a queue go onto the tape past the spool. If this throws, they must not go there.
    package func storeMark() throws(SpoolError) {
        // The mark must not name frames that the disk does not have.
        try sync()
        try writeMark()
        try mark.file?.sync()
    }

    /// Writes the mark if it has changed. It is not synced here.
    private func writeMark() throws(SpoolError) {
        let present = SpoolMark(
            queues: queues.map { SpoolMark.Queue(below: $0.doneBelow, isSure: $0.isSure) })
        guard present != mark.content else { return }
        mark.content = nil
        try markFile().write(present.bytes, at: 0)
        mark.content = present
    }

    /// Returns the file of the mark, which is opened or made at the first call.
    private func markFile() throws(SpoolError) -> SpoolFile {
        if let file = mark.file { return file }
        let file = try SpoolFile("\(folder.active)/\(SpoolMark.fileName)", .writing)
        (mark.file, isFolderUnsynced) = (file, true)
        return file
    }

    /// Removes the segments of which all frames are consumed.
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
