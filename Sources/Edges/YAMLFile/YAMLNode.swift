/// A place in a file, as editors count: line and column from 1, columns in characters.
package struct YAMLPosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var line: Int
    package var column: Int

    package static func < (left: YAMLPosition, right: YAMLPosition) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }

    package var description: String { "\(line):\(column)" }
}

/// One value of a file. The reader decides its type; nothing is guessed here.
package struct YAMLNode: Sendable {
    package enum Content: Sendable {
        case scalar(YAMLScalar)
        case sequence([YAMLNode])
        /// The entries in the order of the file; no key is repeated.
        case mapping([YAMLEntry])
    }

    package let position: YAMLPosition
    package let content: Content

    package var scalar: YAMLScalar? {
        if case .scalar(let scalar) = content { return scalar }
        return nil
    }

    package var sequence: [YAMLNode]? {
        if case .sequence(let nodes) = content { return nodes }
        return nil
    }

    package var mapping: [YAMLEntry]? {
        if case .mapping(let entries) = content { return entries }
        return nil
    }

    /// The kind in messages: `a list`.
    package var kind: String {
        switch content {
        case .scalar(let scalar): scalar.isEmpty ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

package struct YAMLEntry: Sendable {
    package let key: String
    package let position: YAMLPosition
    package let value: YAMLNode
}
