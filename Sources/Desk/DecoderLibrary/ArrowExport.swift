internal import ArrowColumns
internal import CDecoder

// Hands batches out by the Arrow C data interface. Each array, also a column and a dictionary, has
// memory of its own and keeps what it points at, so that a consumer may release them in any order,
// on any thread.

extension ColumnBatch {
    /// Writes the batch as an array of a struct. Its `release` frees everything.
    func export(to out: UnsafeMutablePointer<ArrowArray>) {
        let columns = shape.columns
        let node = unsafe ArrayNode(self, buffers: [nil], children: columns.count)
        for (index, column) in columns.enumerated() {
            let child = unsafe node.child(index)
            let texts = texts(of: index)
            let buffers = unsafe [validity(of: index), values(of: index)]
            let own = unsafe ArrayNode(
                self,
                buffers: column.form == .bytes ? buffers + [textBytes] : buffers,
                children: texts == nil ? 0 : 1)
            if let texts { unsafe texts.export(to: own.child(0)) }
            unsafe own.export(
                to: child, rows: rows, nulls: nullCount(of: index), isDictionary: texts != nil)
        }
        unsafe node.export(to: out, rows: rows, nulls: 0, isDictionary: false)
    }
}

extension TextPage {
    /// Writes the texts as an array. Its `release` frees everything.
    func export(to out: UnsafeMutablePointer<ArrowArray>) {
        let buffers = unsafe self.buffers
        let node = unsafe ArrayNode(
            self, buffers: [nil, buffers.offsets, buffers.bytes], children: 0)
        unsafe node.export(to: out, rows: count, nulls: 0, isDictionary: false)
    }
}

/// The structs below another one, and the list of their addresses.
///
/// Safety: who makes them frees them once, and uses no index beyond `count`.
@safe
private struct Children<Element> {
    let count: Int
    let list: UnsafeMutablePointer<UnsafeMutablePointer<Element>?>
    private let elements: UnsafeMutablePointer<Element>

    init(_ count: Int, of empty: Element) {
        self.count = count
        unsafe elements = .allocate(capacity: count)
        unsafe elements.initialize(repeating: empty, count: count)
        unsafe list = .allocate(capacity: count)
        for index in 0..<count { unsafe (list + index).initialize(to: elements + index) }
    }

    subscript(index: Int) -> UnsafeMutablePointer<Element> { unsafe elements + index }

    func deallocate() {
        unsafe list.deallocate()
        unsafe elements.deallocate()
    }
}

/// What one exported array owns.
///
/// Safety: C holds the node by one retain, which `release` gives back. All memory is that of the
/// node; the arrays below it are released with it, unless the consumer has moved them out.
@safe
private final class ArrayNode {
    /// Keeps the memory of the buffers.
    private let owner: AnyObject
    private let buffers: UnsafeMutableBufferPointer<UnsafeRawPointer?>
    private let children: Children<ArrowArray>

    init(_ owner: AnyObject, buffers: [UnsafeRawPointer?], children count: Int) {
        self.owner = owner
        unsafe self.buffers = .allocate(capacity: buffers.count)
        _ = unsafe self.buffers.initialize(from: buffers)
        unsafe children = Children(count, of: ArrowArray())
    }

    deinit {
        for index in unsafe 0..<children.count {
            let child = unsafe children[index]
            unsafe child.pointee.release?(child)
        }
        unsafe children.deallocate()
        unsafe buffers.deallocate()
    }

    /// The place of a column, or of the dictionary. It lives as long as the node.
    func child(_ index: Int) -> UnsafeMutablePointer<ArrowArray> { unsafe children[index] }

    func export(
        to out: UnsafeMutablePointer<ArrowArray>, rows: Int, nulls: Int, isDictionary: Bool
    ) {
        var array = unsafe ArrowArray()
        unsafe array.length = Int64(rows)
        unsafe array.null_count = Int64(nulls)
        unsafe array.n_buffers = Int64(buffers.count)
        unsafe array.buffers = buffers.baseAddress
        if isDictionary {
            unsafe array.dictionary = children[0]
        } else {
            unsafe array.n_children = Int64(children.count)
            unsafe array.children = children.list
        }
        // Safety: C owns one retain, which `release` gives back.
        unsafe array.private_data = Unmanaged.passRetained(self).toOpaque()
        unsafe array.release = { array in
            guard let array = unsafe array, let data = unsafe array.pointee.private_data else {
                return
            }
            unsafe array.pointee.private_data = nil
            unsafe array.pointee.release = nil
            // Safety: gives back the retain of C, which uses the pointer no more.
            unsafe Unmanaged<ArrayNode>.fromOpaque(data).release()
        }
        unsafe out.initialize(to: array)
    }
}

extension ColumnShape {
    /// Writes the type of the batches. Its `release` frees everything.
    func export(to out: UnsafeMutablePointer<ArrowSchema>) {
        let node = SchemaNode(format: "+s", name: "", children: columns.count)
        for (index, column) in columns.enumerated() {
            var hasTexts = false
            if case .text = column.form { hasTexts = true }
            let own = SchemaNode(
                format: column.format(zone: zone), name: column.name, scale: column.scale,
                children: hasTexts ? 1 : 0)
            if hasTexts {
                unsafe SchemaNode(format: "u", name: "", children: 0)
                    .export(to: own.child(0), isNullable: false, isDictionary: false)
            }
            unsafe own.export(
                to: node.child(index), isNullable: column.isNullable, isDictionary: hasTexts)
        }
        unsafe node.export(to: out, isNullable: false, isDictionary: false)
    }
}

extension ColumnLayout {
    /// The decimals of an integer that stands for a decimal number.
    fileprivate var scale: Int? {
        if case .fixed(let decimals) = form { decimals } else { nil }
    }
}

/// What one exported type owns.
///
/// Safety: as of `ArrayNode`.
@safe
private final class SchemaNode {
    private let format: UnsafeMutableBufferPointer<CChar>
    private let name: UnsafeMutableBufferPointer<CChar>
    /// Keys and values, each after its length; empty: none.
    private let metadata: UnsafeMutableBufferPointer<CChar>
    private let children: Children<ArrowSchema>

    init(format: String, name: String, scale: Int? = nil, children count: Int) {
        unsafe self.format = Self.copy(Array(format.utf8CString))
        unsafe self.name = Self.copy(Array(name.utf8CString))
        unsafe metadata = Self.copy(scale.map { Self.metadata("scale", String($0)) } ?? [])
        unsafe children = Children(count, of: ArrowSchema())
    }

    deinit {
        for index in unsafe 0..<children.count {
            let child = unsafe children[index]
            unsafe child.pointee.release?(child)
        }
        unsafe children.deallocate()
        unsafe format.deallocate()
        unsafe name.deallocate()
        unsafe metadata.deallocate()
    }

    private static func copy(_ bytes: [CChar]) -> UnsafeMutableBufferPointer<CChar> {
        let memory = UnsafeMutableBufferPointer<CChar>.allocate(capacity: bytes.count)
        _ = unsafe memory.initialize(from: bytes)
        return unsafe memory
    }

    /// One pair, as Arrow has it: the number of pairs, then each text after its length.
    private static func metadata(_ key: String, _ value: String) -> [CChar] {
        func number(_ value: Int) -> [CChar] {
            (0..<4).map { CChar(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        return number(1)
            + [key, value].flatMap { text in
                number(text.utf8.count) + text.utf8.map { CChar(bitPattern: $0) }
            }
    }

    func child(_ index: Int) -> UnsafeMutablePointer<ArrowSchema> { unsafe children[index] }

    func export(
        to out: UnsafeMutablePointer<ArrowSchema>, isNullable: Bool, isDictionary: Bool
    ) {
        var schema = unsafe ArrowSchema()
        unsafe schema.format = UnsafePointer(format.baseAddress)
        unsafe schema.name = UnsafePointer(name.baseAddress)
        unsafe schema.metadata = metadata.isEmpty ? nil : UnsafePointer(metadata.baseAddress)
        unsafe schema.flags = isNullable ? Int64(ARROW_FLAG_NULLABLE) : 0
        if isDictionary {
            unsafe schema.dictionary = children[0]
        } else {
            unsafe schema.n_children = Int64(children.count)
            unsafe schema.children = children.list
        }
        // Safety: C owns one retain, which `release` gives back.
        unsafe schema.private_data = Unmanaged.passRetained(self).toOpaque()
        unsafe schema.release = { schema in
            guard let schema = unsafe schema, let data = unsafe schema.pointee.private_data else {
                return
            }
            unsafe schema.pointee.private_data = nil
            unsafe schema.pointee.release = nil
            // Safety: gives back the retain of C, which uses the pointer no more.
            unsafe Unmanaged<SchemaNode>.fromOpaque(data).release()
        }
        unsafe out.initialize(to: schema)
    }
}
