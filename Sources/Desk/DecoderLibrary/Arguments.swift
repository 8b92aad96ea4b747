internal import ArrowColumns
internal import CDecoder
internal import Glibc
internal import MarketModel

// What C passes, checked, and what it gets back.

/// The most names of a list.
private let namesMax = 1 << 20

/// Runs the work of a function that returns a code. `error` is a `tapeline_error`, or `nil`.
func outcome(
    _ error: UnsafeMutableRawPointer?, _ body: () throws(DecodeError) -> Void
) -> Int32 {
    var failure: DecodeError?
    do throws(DecodeError) {
        try body()
    } catch {
        failure = error
    }
    unsafe report(failure, to: error)
    return failure?.code ?? Int32(TAPELINE_OK)
}

/// Runs the work of a function that returns something, or `nil` and an error.
func result<Result>(
    _ error: UnsafeMutableRawPointer?, _ body: () throws(DecodeError) -> Result?
) -> Result? {
    var failure: DecodeError?
    var result: Result?
    do throws(DecodeError) {
        result = try body()
    } catch {
        failure = error
    }
    unsafe report(failure, to: error)
    return result
}

/// Writes an error, or that there is none.
private func report(_ failure: DecodeError?, to error: UnsafeMutableRawPointer?) {
    guard let error = unsafe error?.assumingMemoryBound(to: tapeline_error.self) else { return }
    guard let failure else {
        // A call comes with every packet, and the texts are long: only their ends are written.
        unsafe error.pointee.code = Int32(TAPELINE_OK)
        unsafe error.pointee.partition = -1
        unsafe error.pointee.from = 0
        unsafe error.pointee.to = 0
        unsafe error.pointee.sequence = 0
        unsafe error.pointee.offset = -1
        unsafe error.pointee.source.0 = 0
        unsafe error.pointee.text.0 = 0
        return
    }
    var report = tapeline_error()
    report.code = failure.code
    report.partition = Int32(failure.partition?.number ?? -1)
    report.from = failure.from
    report.to = failure.to
    report.sequence = failure.sequence
    report.offset = Int64(failure.offset ?? -1)
    unsafe withUnsafeMutableBytes(of: &report.source) {
        unsafe put(failure.source?.text ?? "", into: $0)
    }
    unsafe withUnsafeMutableBytes(of: &report.text) {
        unsafe put(failure.description, into: $0)
    }
    unsafe error.initialize(to: report)
}

/// Writes as much of a text as fits before its NUL, in complete characters.
private func put(_ text: String, into field: UnsafeMutableRawBufferPointer) {
    var bytes: [UInt8] = []
    for scalar in text.unicodeScalars {
        let next = String(scalar).utf8
        guard bytes.count + next.count < field.count else { break }
        bytes += next
    }
    unsafe field.copyBytes(from: bytes + [0])
}

extension DecodeError {
    /// The number of the reason in C.
    fileprivate var code: Int32 {
        switch reason {
        case .invalid: Int32(TAPELINE_INVALID)
        case .unreadable: Int32(TAPELINE_IO)
        case .damaged: Int32(TAPELINE_DAMAGED)
        case .hole: Int32(TAPELINE_HOLE)
        case .order: Int32(TAPELINE_ORDER)
        case .full: Int32(TAPELINE_FULL)
        case .limit: Int32(TAPELINE_LIMIT)
        }
    }

    /// The number with which a stream of Arrow answers.
    var streamCode: Int32 {
        switch reason {
        case .unreadable: EIO
        case .hole: ENODATA
        case .invalid, .damaged, .order, .full, .limit: EINVAL
        }
    }
}

// MARK: handles

/// Hands an object to C, which gives it back by `release`.
func retained(_ object: some AnyObject) -> OpaquePointer {
    // Safety: C owns one retain, which `release` gives back.
    OpaquePointer(unsafe Unmanaged.passRetained(object).toOpaque())
}

func release<Object: AnyObject>(_ handle: OpaquePointer?, _: Object.Type) {
    guard let handle = unsafe handle else { return }
    // Safety: gives back the retain of C, which uses the pointer no more.
    unsafe Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).release()
}

func handle<Object: AnyObject>(
    _ handle: OpaquePointer?, _: Object.Type
) throws(DecodeError) -> Object {
    guard let handle = unsafe handle else { throw DecodeError(.invalid, "the handle is NULL") }
    // Safety: C holds a retain as long as it uses the pointer.
    return unsafe Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

// MARK: arguments

func checked<Struct>(
    _ out: UnsafeMutableRawPointer?, _: Struct.Type
) throws(DecodeError) -> UnsafeMutablePointer<Struct> {
    guard let out = unsafe out else { throw DecodeError(.invalid, "the result's place is NULL") }
    return unsafe out.assumingMemoryBound(to: Struct.self)
}

func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(DecodeError) -> String {
    guard let pointer = unsafe pointer else { throw DecodeError(.invalid, "\(what) is NULL") }
    guard let text = unsafe String(validatingCString: pointer) else {
        throw DecodeError(.invalid, "\(what) is not UTF-8")
    }
    return text
}

extension ColumnKind {
    init(checked number: Int32) throws(DecodeError) {
        guard let kind = ColumnKind(rawValue: number) else {
            throw DecodeError(.invalid, "there is no kind \(number)")
        }
        self = kind
    }
}

extension SourceName {
    init(checked text: String) throws(DecodeError) {
        guard let name = SourceName(text) else {
            throw DecodeError(
                .invalid, "'\(text)' is no source: 1 to \(Self.utf8CountMax) of a-z, 0-9 and -")
        }
        self = name
    }
}

extension Symbol {
    fileprivate init(checked text: String) throws(DecodeError) {
        guard let symbol = Symbol(text) else {
            throw DecodeError(
                .invalid,
                "'\(text)' is no symbol: 1 to \(Self.utf8CountMax) bytes without control characters"
            )
        }
        self = symbol
    }
}

extension RowSelection {
    /// Reads a `tapeline_selection`; `nil`: all rows.
    init(_ selection: UnsafeRawPointer?) throws(DecodeError) {
        self.init()
        guard
            let selection = unsafe selection?.assumingMemoryBound(to: tapeline_selection.self)
                .pointee
        else { return }
        let flags = unsafe selection.flags
        guard flags & ~UInt32(TAPELINE_MARK_HOLES) == 0 else {
            throw DecodeError(.invalid, "the selection has unknown flags")
        }
        from = unsafe selection.from
        to = unsafe selection.to
        marksHoles = flags & UInt32(TAPELINE_MARK_HOLES) != 0
        for name in try unsafe names(selection.symbols, selection.symbol_count, "a symbol") {
            symbols.insert(try Symbol(checked: name))
        }
        for name in try unsafe names(selection.sources, selection.source_count, "a source") {
            sources.insert(try SourceName(checked: name))
        }
    }
}

extension ColumnShape {
    /// Reads a `tapeline_shape`; `nil`: all columns of the kind as they are.
    init(of kind: ColumnKind, _ shape: UnsafeRawPointer?) throws(DecodeError) {
        guard let shape = unsafe shape?.assumingMemoryBound(to: tapeline_shape.self).pointee else {
            self.init(of: kind)
            return
        }
        let forms = Forms(rawValue: unsafe shape.flags)
        guard forms.isSubset(of: [.floats, .numbers]) else {
            throw DecodeError(.invalid, "the shape has unknown flags")
        }
        let columns = try unsafe names(shape.columns, shape.column_count, "a column")
        let zone = try unsafe shape.zone == nil ? "UTC" : text(shape.zone, "the zone")
        try self.init(of: kind, names: columns, forms, zone: zone)
    }
}

private func names(
    _ list: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ what: String
) throws(DecodeError) -> [String] {
    guard count != 0 else { return [] }
    guard count > 0, count <= namesMax else {
        throw DecodeError(.limit, "a list names at most \(namesMax) symbols, sources or columns")
    }
    guard let list = unsafe list else { throw DecodeError(.invalid, "the list is NULL") }
    var names: [String] = []
    for index in 0..<count { names.append(try unsafe text(list[index], what)) }
    return names
}
