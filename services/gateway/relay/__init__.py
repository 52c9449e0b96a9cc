"""The relay: takes committed messages to the broker.

``relay`` is its asyncio side, ``wire`` the Celery task message, ``amqp`` and ``virtual`` the two
ways to publish (RabbitMQ with pipelined confirms; Redis and the embedded broker).
"""
