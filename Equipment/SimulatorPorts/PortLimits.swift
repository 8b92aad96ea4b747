/// The limits of the control port, and what happens beyond them.
enum PortLimits {
    /// Connections to the control port at the same time. A further one is closed immediately.
    static let connectionsMax = 64
    /// Characters of a line on the control port. A longer line closes the connection.
    static let controlLineBytesMax = 1_024
    /// Bytes of an answer on the control port. A caller gives up on a longer one.
    static let controlAnswerBytesMax = 65_536
}
