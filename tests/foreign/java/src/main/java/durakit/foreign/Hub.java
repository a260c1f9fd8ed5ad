package durakit.foreign;

import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.DurableTaskGrpcClientBuilder;
import com.microsoft.durabletask.DurableTaskGrpcWorker;
import com.microsoft.durabletask.DurableTaskGrpcWorkerBuilder;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;

/** A client and a worker of one task hub; the SDK leaves metadata to the channel. */
final class Hub implements AutoCloseable {
  final DurableTaskClient client;
  private final ManagedChannel connection;
  private final DurableTaskGrpcWorker worker;

  Hub(String address, String name) {
    Metadata metadata = new Metadata();
    metadata.put(Metadata.Key.of("taskhub", Metadata.ASCII_STRING_MARSHALLER), name);
    connection = ManagedChannelBuilder.forTarget(address).usePlaintext().build();
    Channel channel =
        ClientInterceptors.intercept(connection, MetadataUtils.newAttachHeadersInterceptor(metadata));
    client = new DurableTaskGrpcClientBuilder().grpcChannel(channel).build();
    DurableTaskGrpcWorkerBuilder builder = new DurableTaskGrpcWorkerBuilder().grpcChannel(channel);
    Functions.register(builder);
    worker = builder.build();
    worker.start();
  }

  @Override
  public void close() {
    worker.stop();
    connection.shutdownNow();
  }
}
