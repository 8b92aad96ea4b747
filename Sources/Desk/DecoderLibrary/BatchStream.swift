internal import ArrowColumns
internal import CDecoder
internal import Glibc

/// A stream of batches, by the Arrow C stream interface.
///
/// Safety: C holds the stream by one retain, which `release` gives back. A consumer calls one
/// function of a stream at a time, as the interface wants it.
@safe
final class BatchStream {
    private let shape: ColumnShape
    private let next: () throws(DecodeError) -> ColumnBatch?
    /// The text of the last error; `nil`: there was none.
    private var message: UnsafeMutablePointer<CChar>?

    init(_ shape: ColumnShape, next: @escaping () throws(DecodeError) -> ColumnBatch?) {
        self.shape = shape
        self.next = next
    }

    deinit { unsafe free(message) }

    func export(to out: UnsafeMutablePointer<ArrowArrayStream>) {
        var stream = unsafe ArrowArrayStream()
        unsafe stream.get_schema = { stream, out in
            guard let stream = unsafe BatchStream.of(stream), let out = unsafe out else {
                return EINVAL
            }
            unsafe stream.shape.export(to: out)
            return 0
        }
        unsafe stream.get_next = { stream, out in
            guard let stream = unsafe BatchStream.of(stream), let out = unsafe out else {
                return EINVAL
            }
            return unsafe stream.giveNext(out)
        }
        unsafe stream.get_last_error = { stream in
            unsafe BatchStream.of(stream).flatMap { unsafe UnsafePointer($0.message) }
        }
        unsafe stream.release = { stream in
            guard let stream = unsafe stream, let data = unsafe stream.pointee.private_data else {
                return
            }
            unsafe stream.pointee.private_data = nil
            unsafe stream.pointee.release = nil
            // Safety: gives back the retain of C, which uses the pointer no more.
            unsafe Unmanaged<BatchStream>.fromOpaque(data).release()
        }
        // Safety: C owns one retain, which `release` gives back.
        unsafe stream.private_data = Unmanaged.passRetained(self).toOpaque()
        unsafe out.initialize(to: stream)
    }

    private static func of(_ stream: UnsafeMutablePointer<ArrowArrayStream>?) -> BatchStream? {
        guard let data = unsafe stream?.pointee.private_data else { return nil }
        // Safety: C holds a retain as long as it uses the pointer.
        return unsafe Unmanaged<BatchStream>.fromOpaque(data).takeUnretainedValue()
    }

    /// Writes the next batch, or a released array after the last one.
    private func giveNext(_ out: UnsafeMutablePointer<ArrowArray>) -> Int32 {
        do throws(DecodeError) {
            if let batch = try next() {
                unsafe batch.export(to: out)
            } else {
                unsafe out.initialize(to: ArrowArray())
            }
            return 0
        } catch {
            unsafe free(message)
            unsafe message = strdup(error.description)
            return error.streamCode
        }
    }
}
