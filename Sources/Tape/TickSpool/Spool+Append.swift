internal import MarketModel
package import TapeCodec

/// The outcome of appending a packet.
package enum SpoolAppend: Hashable, Sendable {
    /// `number` is that of its frame.
    case appended(number: UInt64)
    /// There is no room for it; nothing has changed.
    case full(SpoolLimit)
}

/// The limit at which a spool has no room.
package enum SpoolLimit: String, Hashable, Sendable {
    /// The configured bytes are used up.
    case bytes
    /// The disk is full.
    case disk
}

extension Spool {
    /// Appends a packet after all others. It survives the process when this returns, and a power
    /// cut when `sync` has returned. The packet has the ordinals that follow the lane's earlier
    /// packets; they may change when it is published. If this throws, earlier packets stay
    /// readable.
    package func append(_ packet: SealedPacket) throws(SpoolError) -> SpoolAppend {
        guard packet.byteCount <= PacketLimits.bytesMax else {
            throw .tooLarge(packetBytes: packet.byteCount, bytesMax: PacketLimits.bytesMax)
        }
        let header = FrameHeader(number: chain.end, of: packet)
        guard bytes + header.frameBytes <= settings.bytesMax else { return .full(.bytes) }
        header.write(packet, into: &buffer)
        do throws(SpoolError) {
            try write()
        } catch .system(_, _, let code) where code.isFull {
            return .full(.disk)
        }
        chain.end += 1
        unsyncedFrames += 1
        tails[header.partition, default: SpoolTail()].add(header)
        return .appended(number: header.number)
    }

    /// When this returns, all appended packets survive a power cut.
    package func sync() throws(SpoolError) {
        if unsyncedFrames > 0, let writer {
            do throws(SpoolError) {
                try writer.sync()
            } catch {
                // It is unknown what the kernel has written of this file, so no more is written to
                // it.
                self.writer = nil
                throw error
            }
            unsyncedFrames = 0
        }
        if isFolderUnsynced {
            try SpoolFiles.syncFolder(folder.active)
            isFolderUnsynced = false
        }
    }

    // MARK: parts

    /// Writes the frame in the buffer after the last one, or leaves everything as it was.
    private func write() throws(SpoolError) {
        let file = try writableSegment()
        let place = file.byteCount
        do throws(SpoolError) {
            try file.write(buffer, at: place)
        } catch {
            // A part of the frame may be in the file. If it cannot be removed either, the next
            // frame begins a new segment, and readers skip the part.
            do throws(SpoolError) {
                try file.cut(to: place)
            } catch {
                writer = nil
            }
            throw error
        }
        file.byteCount += buffer.count
        chain.segments[chain.segments.endIndex - 1].bytes = file.byteCount
    }

    /// Returns the segment for the frame in the buffer: the last one, or a new one when that is
    /// full.
    private func writableSegment() throws(SpoolError) -> SpoolFile {
        if let writer {
            if writer.byteCount == 0 || writer.byteCount + buffer.count <= settings.segmentBytes {
                return writer
            }
            // Only the last segment may end inside a frame.
            try sync()
        }
        writer = nil
        let path = SegmentChain.path(folder.active, first: chain.end)
        let file = try SpoolFile(path, .writing)
        // A file with this name has a part of a frame whose write failed: no frame with this number
        // was ever counted.
        if file.byteCount > 0 { try file.cut(to: 0) }
        file.byteCount = 0
        isFolderUnsynced = true
        if chain.segments.last?.first != chain.end {
            chain.segments.append(
                SegmentChain.Segment(first: chain.end, path: path, bytes: 0))
        }
        writer = file
        return file
    }
}
