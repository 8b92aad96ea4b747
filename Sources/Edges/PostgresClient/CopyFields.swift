/// Encoded values of a COPY that several rows share: the texts that a packet defines once and that
/// each of its ticks refers to.
///
/// It is reused from packet to packet and then allocates nothing.
public struct CopyFields: Sendable {
    /// The place of adjacent values.
    @frozen
    public struct Place: Sendable, BitwiseCopyable {
        @usableFromInline let first: Int32
        @usableFromInline let bytes: Int32
        @usableFromInline let values: Int32

        init(start: Int, count: Int, fields: Int) {
            first = Int32(start)
            bytes = Int32(count)
            values = Int32(fields)
        }

        @inlinable @inline(__always)
        var start: Int { Int(first) }
        @inlinable @inline(__always)
        var count: Int { Int(bytes) }
        @inlinable @inline(__always)
        var fields: Int { Int(values) }

        /// Joins two places that were added one after the other.
        public static func + (left: Place, right: Place) -> Place {
            precondition(
                left.start + left.count == right.start,
                "values that do not stand beside each other")
            return Place(
                start: left.start, count: left.count + right.count,
                fields: left.fields + right.fields)
        }
    }

    /// Short values are copied in one piece of this many bytes. As many bytes are kept after the
    /// last value.
    @usableFromInline static let stride = 32

    @usableFromInline var bytes: [UInt8] = []

    public init() { removeAll() }

    /// Removes all values and keeps the memory. Earlier places are no longer valid.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: repeatElement(0, count: Self.stride))
    }

    // MARK: values

    public mutating func text(_ value: RawSpan) -> Place {
        add(fields: 1) { bytes in
            bytes.append(bigEndian: Int32(clamping: value.byteCount))
            unsafe value.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        }
    }

    public mutating func text(_ value: String) -> Place {
        add(fields: 1) { bytes in
            bytes.append(bigEndian: Int32(clamping: value.utf8.count))
            bytes.append(contentsOf: value.utf8)
        }
    }

    public mutating func int32(_ value: Int32) -> Place {
        add(fields: 1) { bytes in
            bytes.append(bigEndian: Int32(4))
            bytes.append(bigEndian: value)
        }
    }

    public mutating func int64(_ value: Int64) -> Place {
        add(fields: 1) { bytes in
            bytes.append(bigEndian: Int32(8))
            bytes.append(bigEndian: value)
        }
    }

    /// Calls `body` with the bytes of a text that was added.
    public func withText<Result>(_ place: Place, _ body: (RawSpan) -> Result) -> Result {
        precondition(place.fields == 1 && place.start + place.count <= used, "no place of these")
        // Safety: every byte is a valid `UInt8`.
        let all = unsafe bytes.span.bytes
        return body(all.extracting(place.start + 4..<place.start + place.count))
    }

    // MARK: parts

    private var used: Int { bytes.count - Self.stride }

    private mutating func add(fields: Int, _ write: (inout [UInt8]) -> Void) -> Place {
        let start = used
        bytes.removeLast(Self.stride)
        write(&bytes)
        let end = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: Self.stride))
        return Place(start: start, count: end - start, fields: fields)
    }

    /// Copies values. It writes up to a stride more than their length; the caller must have room
    /// for that.
    @inlinable @inline(__always)
    func copy(_ place: Place, to target: UnsafeMutableRawPointer) {
        precondition(
            place.start >= 0 && place.start &+ place.count &+ Self.stride <= bytes.count,
            "no place of these values")
        // Safety: a stride of bytes follows the last value.
        unsafe bytes.withUnsafeBytes { source in
            guard let first = source.baseAddress else { return }
            if place.count <= Self.stride {
                unsafe target.storeBytes(
                    of: (first + place.start).loadUnaligned(as: SIMD32<UInt8>.self),
                    as: SIMD32<UInt8>.self)
            } else {
                unsafe target.copyMemory(from: first + place.start, byteCount: place.count)
            }
        }
    }
}
