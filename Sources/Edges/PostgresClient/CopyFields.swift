/// Encoded values of a COPY that several rows share, such as the symbol of many ticks. They are
/// encoded once; `BinaryCopyWriter.shared` copies them into each row.
///
/// It can be filled again after `removeAll`, and keeps its memory.
public struct CopyFields: Sendable {
    /// The place of one value, or of several that were added one after the other.
    @frozen
    public struct Place: Sendable, BitwiseCopyable {
        /// The offset of the first byte.
        @usableFromInline let first: Int32
        /// The number of bytes, with each value's length.
        @usableFromInline let bytes: Int32
        /// The number of values.
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

    /// A place of at most this many bytes is copied by one load and one store of this size. So this
    /// many unused bytes are kept after the last value.
    @usableFromInline static let stride = 32

    /// All values, each with its length before it, and a stride of unused bytes.
    @usableFromInline var bytes: [UInt8] = []

    public init() { removeAll() }

    /// Removes all values and keeps the memory. Earlier places are no longer valid.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: repeatElement(0, count: Self.stride))
    }

    // MARK: values

    /// Adds bytes as a text.
    public mutating func text(_ value: RawSpan) -> Place {
        add(fields: 1) { bytes in
            bytes.append(bigEndian: Int32(clamping: value.byteCount))
            unsafe value.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        }
    }

    /// Adds a text.
    public mutating func text(_ value: String) -> Place {
        add(fields: 1) { bytes in
            bytes.append(bigEndian: Int32(clamping: value.utf8.count))
            bytes.append(contentsOf: value.utf8)
        }
    }

    /// Adds a smallint.
    public mutating func int16(_ value: Int16) -> Place {
        add(fields: 1) { bytes in
            bytes.append(bigEndian: Int32(2))
            bytes.append(bigEndian: value)
        }
    }

    /// Adds an integer.
    public mutating func int32(_ value: Int32) -> Place {
        add(fields: 1) { bytes in
            bytes.append(bigEndian: Int32(4))
            bytes.append(bigEndian: value)
        }
    }

    /// Adds a bigint.
    public mutating func int64(_ value: Int64) -> Place {
        add(fields: 1) { bytes in
            bytes.append(bigEndian: Int32(8))
            bytes.append(bigEndian: value)
        }
    }

    /// Calls `body` with the bytes of a text that was added. `place` is of that one value.
    public func withText<Result>(_ place: Place, _ body: (RawSpan) -> Result) -> Result {
        precondition(place.fields == 1 && place.start + place.count <= used, "no place of these")
        // Safety: every byte is a valid `UInt8`.
        let all = unsafe bytes.span.bytes
        return body(all.extracting(place.start + 4..<place.start + place.count))
    }

    // MARK: parts

    /// The number of bytes of all values.
    private var used: Int { bytes.count - Self.stride }

    /// Appends what `write` appends, before the stride of unused bytes.
    private mutating func add(fields: Int, _ write: (inout [UInt8]) -> Void) -> Place {
        let start = used
        bytes.removeLast(Self.stride)
        write(&bytes)
        let end = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: Self.stride))
        return Place(start: start, count: end - start, fields: fields)
    }

    /// Copies values. It may write a stride of bytes where they have fewer; the caller must have
    /// room for their length and a stride.
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
