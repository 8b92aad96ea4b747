internal import MarketModel
public import TapeCodec

/// What became of a packet that was to be spooled.
public enum SpoolAppend: Hashable, Sendable {
    case appended(number: UInt64)
    /// There is no room for it; nothing has changed.
    case full(SpoolLimit)
}

public enum SpoolLimit: String, Hashable, Sendable {
    /// The bytes that it may take are taken.
    case bytes
    /// The disk is full.
    case disk
}

extension Spool {
    /// Puts a packet behind all others. It outlives the process when this returns, and a power cut
    /// when `sync` has returned. A packet must carry its final ordinals. Whatever is thrown, what
    /// was appended before stays readable.
    public func append(_ packet: SealedPacket) throws(SpoolError) -> SpoolAppend {
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

    /// What was appended outlives a power cut when this returns.
    public func sync() throws(SpoolError) {
        if unsyncedFrames > 0, let writer {
            do throws(SpoolError) {
                try writer.sync()
            } catch {
                // What the kernel still has of this file is not known: it is written no further.
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

    /// Writes the frame in the buffer behind the last one, or leaves everything as it was.
    private func write() throws(SpoolError) {
        let file = try writableSegment()
        let place = file.byteCount
        do throws(SpoolError) {
            try file.write(buffer, at: place)
        } catch {
            // A part of it may stand there. When even that cannot be undone, the next frame begins
            // a new segment, and readers pass over what does not belong to a frame.
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

    private func writableSegment() throws(SpoolError) -> SpoolFile {
        if let writer {
            if writer.byteCount == 0 || writer.byteCount + buffer.count <= settings.segmentBytes {
                return writer
            }
            // Only the last segment can end in the middle of a frame.
            try sync()
        }
        writer = nil
        let path = SegmentChain.path(folder.active, first: chain.end)
        let file = try SpoolFile(path, .writing)
        // No frame with this number was ever counted: whatever is there is none.
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
